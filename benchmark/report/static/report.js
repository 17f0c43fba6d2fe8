// Glue between the pages and the components they use; everything is readable without it.
"use strict";

const made = new WeakMap();

// A table that sorts by any column; made once, and only when it is shown, for it reads the headings.
function sortable(table) {
  if (!made.has(table)) {
    const heads = [...table.tHead.rows[0].cells].map((head) => ({ ...head.dataset }));
    const options = { paging: false, searchable: false, labels: { noResults: "No such row" } };
    const component = new simpleDatatables.DataTable(table, options);
    const known = { heads, component, all: component.data.data.length, found: 0 };
    component.on("datatable.multisearch", (queries, rows) => {
      known.found = queries.length ? rows.length : known.all;
    });
    made.set(table, known);
  }
  return made.get(table);
}

function indicesOf(heads, wanted) {
  return [...heads.keys()].filter((i) => wanted(heads[i]));
}

// Show the rows that have the words and the chosen values, and the columns of the chosen protocol.
function filterTable(table, filters) {
  const known = sortable(table);
  const scored = indicesOf(known.heads, (head) => head.protocol);
  const { protocol } = filters;
  known.component.columns.show(scored);
  known.component.columns.hide(
    scored.filter((i) => protocol && known.heads[i].protocol !== protocol),
  );
  const chosen = ["supervision", "status"].map((name) => ({
    terms: [filters[name]],
    columns: indicesOf(known.heads, (head) => head.filter === name),
  }));
  known.component.multiSearch([{ terms: [filters.words] }, ...chosen]);
  return `${known.found} of ${known.all} rows`;
}

const form = document.getElementById("filters");

function applyFilters() {
  const filters = Object.fromEntries(new FormData(form));
  let shown = "No such table: this data set was not run in this weather.";
  for (const section of document.querySelectorAll("section.board")) {
    const { dataset, weather } = section.dataset;
    section.hidden = dataset !== filters.dataset || weather !== filters.weather;
    if (!section.hidden) shown = filterTable(section.querySelector("table"), filters);
  }
  document.getElementById("found").textContent = shown;
  drawCharts(filters);
}

if (form) {
  form.hidden = axes.hidden = false;
  form.addEventListener("input", applyFilters);
  form.addEventListener("reset", () => setTimeout(applyFilters));
  form.addEventListener("submit", (event) => event.preventDefault());
  axes.addEventListener("input", applyFilters);
  addEventListener("resize", applyFilters);
  applyFilters();
} else {
  document.querySelectorAll("table.sortable").forEach(sortable);
}

// Before and after: choose what each half of the slider shows.
for (const select of document.querySelectorAll("select[data-shows]")) {
  const image = document.getElementById(select.dataset.shows);
  select.addEventListener("change", () => {
    image.src = select.value;
    image.alt = select.selectedOptions[0].textContent;
  });
}

// The slider's place, for who cannot see it.
for (const slider of document.querySelectorAll("img-comparison-slider")) {
  slider.addEventListener("slide", () => {
    slider.setAttribute("aria-valuenow", Math.round(slider.value));
  });
}
