// Puts plots of Observable Plot into a page, readable for assistive technology.
"use strict";

// Draws a plot into the element with this id and returns it. A mark with the focus shows its tip, as under the pointer.
function put(id, options, marked) {
  const place = document.getElementById(id);
  const chart = Plot.plot({
    width: Math.max(300, Math.min(place.clientWidth, 1000)),
    height: Math.max(300, Math.min(440, place.clientWidth * 0.75)),
    marginLeft: 58, marginTop: 34, marginBottom: 46, grid: true, style: { fontSize: "13px" }, ...options, marks: marked,
  });
  // Plot gives groups a label but no role, and assistive technology ignores a label without a role.
  for (const group of [chart, ...chart.querySelectorAll("svg, g")]) {
    if (group.hasAttribute("aria-label")) group.setAttribute("role", "group");
  }
  chart.addEventListener("focusin", (event) => {
    const mark = event.target.closest("a");
    if (!mark) return;
    const { x, y, width, height } = mark.getBoundingClientRect();
    const where = { clientX: x + width / 2, clientY: y + height / 2, pointerType: "mouse" };
    mark.ownerSVGElement.dispatchEvent(new PointerEvent("pointermove", where));
  });
  place.replaceChildren(chart);
  return chart;
}
