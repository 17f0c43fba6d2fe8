// Two small pieces of glue; everything is readable without them.
"use strict";

// Leaderboard tables: sort by any column, filter by any word.
function makeSortable(table) {
  new simpleDatatables.DataTable(table, {
    paging: false,
    perPageSelect: false,
    labels: { placeholder: "Filter rows…", searchTitle: "Filter rows", noRows: "No such row" },
  });
}

for (const table of document.querySelectorAll("table.sortable")) {
  const folded = table.closest("details:not([open])");
  // The component reads the headings as they are shown, so a hidden table has to wait.
  if (folded) folded.addEventListener("toggle", () => makeSortable(table), { once: true });
  else makeSortable(table);
}

// Before and after: choose what each half of the slider shows.
for (const select of document.querySelectorAll("select[data-shows]")) {
  const image = document.getElementById(select.dataset.shows);
  select.addEventListener("change", () => {
    image.src = select.value;
    image.alt = select.selectedOptions[0].textContent;
  });
}
