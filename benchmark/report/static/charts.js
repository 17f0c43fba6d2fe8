// The charts of quality against cost and against sampling steps, drawn with Observable Plot.
"use strict";

// The same colours and marks as in the figures (benchmark/report/figures/style.py).
const SUPERVISION = {
  none: ["#0173b2", "circle"],
  "clean-only": ["#029e73", "square"],
  paired: ["#de8f05", "diamond"],
};
const STEPS = [
  "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc",
  "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9",
];
const SERIES_SYMBOLS = ["circle", "square", "diamond", "triangle", "star", "cross", "wye"];

const charts = JSON.parse(document.getElementById("chart-data").textContent);
const axes = document.getElementById("axes");

// The rows of one leaderboard that have both numbers, with the values to draw.
function points(rows, metric, cost) {
  return rows
    .filter((row) => !row.control && metric.name in row.values && cost.name in row.costs)
    .map((row) => {
      const [value, low, high, valueText] = row.values[metric.name];
      const [x, costText] = row.costs[cost.name];
      const text = `${row.label}\n${metric.text}: ${valueText}\n${cost.text}: ${costText}`;
      return { ...row, x, y: value, low: low ?? value, high: high ?? value, text };
    });
}

// The points for which no other is better in both cost and quality, the cheapest first.
function paretoFront(found, metric) {
  const sign = metric.lower ? -1 : 1;
  let best = -Infinity;
  return d3
    .sort(found, (a, b) => a.x - b.x || sign * (b.y - a.y))
    .filter((point) => sign * point.y > best && ((best = sign * point.y), true));
}

// The line of the input, if it has the metric. Its name is the caption: on the line it would cover marks.
function inputLine(rows, metric) {
  const input = rows.find((row) => row.input && metric.name in row.values);
  if (!input) return { line: [] };
  const value = input.values[metric.name][0];
  const line = Plot.ruleY([value], { strokeDasharray: "5 4", stroke: "currentColor", strokeOpacity: 0.6 });
  return { line: [line], caption: "Dashed line: input, not restored." };
}

// Marks of both charts: intervals, dots that are links with a name, and a tip.
function marks(found, channels) {
  const place = { x: "x", y: "y" };
  return [
    Plot.ruleX(found, { x: "x", y1: "low", y2: "high", stroke: channels.stroke, strokeOpacity: 0.6 }),
    Plot.dot(found, {
      ...place, ...channels, fill: channels.stroke, r: 5, href: "href",
      ariaLabel: (point) => point.text.replaceAll("\n", ", "), className: "marks",
    }),
    Plot.tip(found, Plot.pointer({ ...place, title: "text", maxRadius: 30, lineHeight: 1.3 })),
  ];
}

function say(id, text) {
  const note = document.createElement("p");
  note.className = "note";
  note.textContent = text;
  document.getElementById(id).replaceChildren(note);
}

// 1, 2, 5, 10 … within the domain; fewer if there would be too many to read.
function logTicks([low, high]) {
  const decades = d3.range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)) + 1);
  const inside = (steps) =>
    decades.flatMap((n) => steps.map((step) => step * 10 ** n)).filter((t) => t >= low && t <= high);
  return [[1, 2, 5], [1, 3], [1]].map(inside).find((ticks) => ticks.length < 9) ?? [];
}

// A logarithmic scale of x, its grid and its axis: of Plot's own labels, d3 leaves out some as too many.
function logarithmic(label, found) {
  const [low, high] = d3.extent(found, (point) => point.x);
  const domain = [low / 1.3, high * 1.3];
  const ticks = logTicks(domain);
  const text = (tick) => d3.format(tick < 1000 ? "~r" : "~s")(+tick.toPrecision(6));
  return [{ type: "log", label, domain, axis: null, grid: false }, Plot.gridX(ticks), Plot.axisX(ticks, { label, text })];
}

function drawCost(rows, metric, cost) {
  const found = points(rows, metric, cost);
  if (!found.length) return say("cost-chart", "No method shown has both numbers.");
  const front = paretoFront(found, metric);
  const known = Object.keys(SUPERVISION).filter((name) => found.some((p) => p.supervision === name));
  const [x, ...axis] = logarithmic(cost.text, found);
  const input = inputLine(rows, metric);
  put("cost-chart", {
    ariaLabel: `${metric.text} against ${cost.text}`,
    ariaDescription: `On the Pareto front: ${front.map((point) => point.label).join(", ")}`,
    x,
    caption: input.caption,
    y: { label: metric.axis, nice: true },
    color: { domain: known, range: known.map((name) => SUPERVISION[name][0]) },
    symbol: { domain: known, range: known.map((name) => SUPERVISION[name][1]), legend: true },
  }, [
    ...axis,
    ...input.line,
    Plot.line(front, { x: "x", y: "y", curve: "step-after", stroke: "currentColor", strokeOpacity: 0.5 }),
    ...marks(found, { stroke: "supervision", symbol: "supervision" }),
  ]);
}

function drawSteps(rows, metric) {
  const swept = rows.filter((row) => row.series);
  const found = points(swept, metric, { name: "nfe", text: "network evaluations" });
  if (!found.length) return say("steps-chart", "No method shown was sampled with several step counts.");
  const numbers = new Map(d3.sort(found, (p) => p.series_number).map((p) => [p.series, p.series_number]));
  const names = [...numbers.keys()];
  const of = (values) => names.map((name) => values[numbers.get(name) % values.length]);
  const [x, ...axis] = logarithmic("network evaluations an image (NFE)", found);
  const input = inputLine(rows, metric);
  put("steps-chart", {
    ariaLabel: `${metric.text} against network evaluations`,
    ariaDescription: `One line for each of ${names.join(", ")}`,
    x,
    caption: input.caption,
    y: { label: metric.axis, nice: true },
    color: { domain: names, range: of(STEPS) },
    symbol: { domain: names, range: of(SERIES_SYMBOLS), legend: true },
  }, [
    ...axis,
    ...input.line,
    Plot.line(found, { x: "x", y: "y", z: "series", stroke: "series", sort: "x" }),
    ...marks(found, { stroke: "series", symbol: "series" }),
  ]);
}

// Draw both charts from the rows of one leaderboard that have one of the labels.
function drawCharts(dataset, weather, labels) {
  const rows = charts.rows.filter(
    (row) =>
      row.dataset === dataset && row.weather === weather && (row.input || labels.has(row.label)),
  );
  const metric = charts.metrics.find((known) => known.name === axes.elements.metric.value);
  const cost = charts.costs.find((known) => known.name === axes.elements.cost.value);
  if (!metric || !cost) return ["cost-chart", "steps-chart"].forEach((id) => say(id, "No method has both a score and a time."));
  drawCost(rows, metric, cost);
  drawSteps(rows, metric);
}
