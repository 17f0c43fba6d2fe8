// Connects the pages with their components. All content is readable without it.
"use strict";

const MISSING = -1e300; // the data-order of a value that is not there (benchmark/report/parts.py)
const FILTERS = ["supervision", "status"]; // columns with a filter of their own
const NOTHING = "No such row";
const made = new WeakMap();

// Makes a table sortable by any column. Called when the table is shown, because it reads the headings.
function sortable(table) {
  if (!made.has(table)) {
    const heads = [...table.tHead.rows[0].cells].map((head) => head.dataset.column);
    const options = {
      paging: false,
      searchable: false, // the page has its own filters
      labels: { noResults: NOTHING },
      rowRender(values, row) {
        row.childNodes[0].nodeName = "TH"; // the component turns every cell into a TD
        return row;
      },
    };
    const component = new simpleDatatables.DataTable(table, options);
    const known = { heads, component, queries: [], found: [] };
    component.on("datatable.multisearch", (queries, places) => {
      const rows = component.data.data;
      known.found = queries.length ? places.map((place) => rows[place]) : rows;
    });
    component.on("datatable.sort", (column) => missingLast(known, column));
    made.set(table, known);
  }
  return made.get(table);
}

// Moves the rows without a value in the sorted column to the end, whatever the direction.
function missingLast(known, column) {
  const isMissing = (row) => row.cells[column].order === MISSING;
  const { data } = known.component;
  data.data = [...data.data.filter((row) => !isMissing(row)), ...data.data.filter(isMissing)];
  search(known);
}

// Draws the rows that the queries find. The component does not search hidden columns.
function search(known) {
  const { component, heads, queries } = known;
  const hidden = FILTERS.map((name) => heads.indexOf(name)).filter((i) => !component.columns.visible(i));
  component.columns.show(hidden);
  component.multiSearch(queries);
  component.columns.hide(hidden);
  if (!known.found.length) component.setMessage(NOTHING); // hiding a column removes it
}

// Shows the rows with the words and the chosen values. Returns the labels of the rows shown.
function filterTable(table, filters) {
  const known = sortable(table);
  const chosen = FILTERS.map((name) => ({ terms: [filters[name]], columns: [known.heads.indexOf(name)] }));
  known.queries = [{ terms: [filters.words] }, ...chosen];
  search(known);
  return known.found.map((row) => row.attributes["data-label"]);
}

function showColumns(table, chosen) {
  const { heads, component } = sortable(table);
  const changed = [...heads.keys()].filter((i) => heads[i] && chosen.has(heads[i]) !== component.columns.visible(i));
  component.columns.show(changed.filter((i) => chosen.has(heads[i])));
  component.columns.hide(changed.filter((i) => !chosen.has(heads[i])));
}

// Shows the comparisons of the chosen data set and weather, between the methods with these labels.
function filterComparisons(isShown, labels) {
  let visible = 0;
  for (const section of document.querySelectorAll("section.pairs")) {
    section.hidden = !isShown(section);
    const [table] = section.getElementsByTagName("table");
    if (section.hidden || !table) continue; // a note in place of a table stays
    const heads = [...table.tHead.rows[0].cells].slice(1);
    const rows = [...table.tBodies[0].rows];
    const kept = (element) => labels.has(element.dataset.label);
    // Row i has cells up to column i: of the methods before its own.
    const columns = heads.map((head, j) => kept(head) && rows.slice(j).some(kept));
    rows.forEach((row, i) => {
      row.hidden = !kept(row) || !columns.slice(0, i + 1).some(Boolean);
      [...row.cells].slice(1).forEach((cell, j) => (cell.hidden = !columns[j]));
    });
    heads.forEach((head, j) => (head.hidden = !columns[j]));
    section.hidden = rows.every((row) => row.hidden);
    visible += !section.hidden;
  }
  const none = document.getElementById("no-pairs"); // not on the page of a run without comparisons
  if (none) none.hidden = visible > 0 || !document.querySelector("section.pairs");
}

const form = document.getElementById("filters");
const columnForm = document.getElementById("columns");
const boards = [...document.querySelectorAll("section.board")];

// The weathers of the chosen data set; the chosen one stays if it is among them.
function offerWeathers() {
  const { dataset, weather } = form.elements;
  const own = boards.filter((board) => board.dataset.dataset === dataset.value).map((board) => board.dataset.weather);
  const before = weather.value;
  weather.replaceChildren(...own.map((name) => new Option(name, name)));
  weather.value = own.includes(before) ? before : own[0];
}

function chosenColumns() {
  return new Set(new FormData(columnForm).getAll("column"));
}

function applyFilters() {
  offerWeathers();
  const filters = Object.fromEntries(new FormData(form));
  const isShown = ({ dataset }) => dataset.dataset === filters.dataset && dataset.weather === filters.weather;
  let labels = [];
  for (const board of boards) {
    board.hidden = !isShown(board);
    if (board.hidden) continue;
    const table = board.querySelector("table");
    showColumns(table, chosenColumns());
    labels = filterTable(table, filters);
    const all = made.get(table).component.data.data.length;
    document.getElementById("found").textContent = `${labels.length} of ${all} rows`;
  }
  filterComparisons(isShown, new Set(labels));
  for (const figure of document.querySelectorAll("#ranks figure")) {
    figure.hidden = figure.dataset.dataset !== filters.dataset;
  }
  drawCharts(filters.dataset, filters.weather, new Set(labels));
}

// What was chosen in the forms stands in the address, so that a view can be linked.
const fields = (name) => form?.elements[name] ?? document.getElementById("axes")?.elements[name];

function isDefault(field) {
  return field.tagName === "SELECT" ? field.selectedIndex <= 0 : field.value === "";
}

function writeAddress() {
  const view = new URLSearchParams();
  for (const name of ["dataset", "weather", "supervision", "status", "words", "metric", "cost"]) {
    const field = fields(name);
    if (field && !isDefault(field)) view.set(name, field.value);
  }
  const boxes = [...columnForm.querySelectorAll("input")];
  if (boxes.some((box) => box.checked !== box.defaultChecked)) view.set("columns", [...chosenColumns()].join(","));
  const text = view.size ? `?${view}` : location.pathname;
  history.replaceState(null, "", text + location.hash);
}

function readAddress() {
  const view = new URLSearchParams(location.search);
  for (const [name, value] of view) {
    const field = fields(name);
    if (!field) continue;
    if (field.tagName !== "SELECT" || [...field.options].some((option) => option.value === value)) field.value = value;
    if (name === "dataset") offerWeathers();
  }
  if (view.has("columns")) {
    const wanted = view.get("columns").split(",");
    columnForm.querySelectorAll("input").forEach((box) => (box.checked = wanted.includes(box.value)));
  }
}

function onChoice(element, apply) {
  const changed = () => {
    apply();
    writeAddress();
  };
  element.hidden = false;
  element.addEventListener("input", changed);
  element.addEventListener("reset", () => setTimeout(changed));
  element.addEventListener("submit", (event) => event.preventDefault());
}

function showEveryTable() {
  document.querySelectorAll("table.sortable").forEach((table) => showColumns(table, chosenColumns()));
}

if (form) {
  offerWeathers();
  readAddress();
  [form, columnForm, axes].forEach((element) => onChoice(element, applyFilters));
  addEventListener("resize", applyFilters);
  applyFilters();
} else if (columnForm) {
  readAddress();
  onChoice(columnForm, showEveryTable);
  showEveryTable();
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
