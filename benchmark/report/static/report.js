// Connects the pages with their components. All content is readable without it.
"use strict";

const made = new WeakMap();

// Makes a table sortable by any column. Called when the table is shown, because it reads the headings.
function sortable(table) {
  if (!made.has(table)) {
    const heads = [...table.tHead.rows[0].cells].map((head) => ({ ...head.dataset }));
    const options = {
      paging: false,
      searchable: false, // the page has its own filters
      labels: { noResults: "No such row" },
      rowRender(values, row) {
        row.childNodes[0].nodeName = "TH"; // the component turns every cell into a TD
        return row;
      },
    };
    const component = new simpleDatatables.DataTable(table, options);
    const known = { heads, component, found: [] };
    component.on("datatable.multisearch", (queries, places) => {
      const rows = component.data.data;
      known.found = queries.length ? places.map((place) => rows[place]) : rows;
    });
    made.set(table, known);
  }
  return made.get(table);
}

function indicesOf(heads, wanted) {
  return [...heads.keys()].filter((i) => wanted(heads[i]));
}

// Shows the rows with the words and the chosen values, and the columns of the chosen protocol.
// Returns the labels of the rows shown.
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
  return known.found.map((row) => row.attributes["data-label"]);
}

const form = document.getElementById("filters");

function applyFilters() {
  const filters = Object.fromEntries(new FormData(form));
  const note = document.getElementById("found");
  let labels = [];
  note.textContent = "This data set was not run in this weather.";
  for (const section of document.querySelectorAll("section.board")) {
    const { dataset, weather } = section.dataset;
    section.hidden = dataset !== filters.dataset || weather !== filters.weather;
    if (section.hidden) continue;
    const table = section.querySelector("table");
    labels = filterTable(table, filters);
    note.textContent = `${labels.length} of ${made.get(table).component.data.data.length} rows`;
  }
  drawCharts(filters.dataset, filters.weather, new Set(labels));
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

// Before and after: the image in each half of the slider can be chosen.
for (const select of document.querySelectorAll("select[data-shows]")) {
  const image = document.getElementById(select.dataset.shows);
  select.addEventListener("change", () => {
    image.src = select.value;
    image.alt = select.selectedOptions[0].textContent;
  });
}

// The position of the slider, for assistive technology.
for (const slider of document.querySelectorAll("img-comparison-slider")) {
  slider.addEventListener("slide", () => {
    slider.setAttribute("aria-valuenow", Math.round(slider.value));
  });
}
