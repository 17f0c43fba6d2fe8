// The training curve on the page of a method, drawn with Observable Plot.
"use strict";

function drawCurve() {
  const { points, text } = JSON.parse(document.getElementById("curve-data").textContent);
  const curve = put("training-curve", {
    ariaLabel: text,
    x: { label: "training step" },
    y: { type: "log", label: "loss (log scale)", tickFormat: "~g", ticks: 5 },
  }, [Plot.line(points, { x: "0", y: "1", stroke: "var(--accent)" })]);
  curve.setAttribute("role", "img"); // one image with one label: nothing in it has a function of its own
}

if (document.getElementById("curve-data")) {
  drawCurve();
  addEventListener("resize", drawCurve);
}
