// The table of layers: a row for each op, of equal copies one.
function tableSection() {
  const host = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of layers" });
  const count = make("p", { class: "note", "aria-live": "polite" });
  views.push(() => {
    const found = matches(), rows = sortedRows().filter((box) => !found || found.has(box.id) || ancestors(box.id).some((up) => found.has(up)));
    host.replaceChildren(make("table", null, headOf(), make("tbody", null, rows.map(rowOf)), footOf()));
    count.textContent = rows.length === OPS.length ? `${plural(rows.length, "row")}; ${TIMES}N: N equal layers in one row, with their costs added`
      : `${rows.length} of ${plural(OPS.length, "row")} match the search`;
  });
  return section("table", "Layers", host, count);
}

const COLUMNS = [
  { key: "layer", title: "layer", value: (box) => box.id, cell: (box) => layerCell(box) },
  { key: "op", title: "op", value: (box) => `${box.label} ${box.detail}`, cell: (box) => `${box.label} ${box.detail}` },
  { key: "shape", title: "output", value: (box) => box.shape, cell: (box) => box.shape },
  ...MEASURES.map(({ key, title, index }) => ({
    key, title, number: true, value: (box) => figureOf(box, index), cell: (box) => costText(figureOf(box, index), key) || DASH,
    total: () => costText(figureOf(BOXES[0], index), key),
  })),
  {
    key: "share", get title() { return `share of ${MEASURES[state.measure].title}`; }, number: true, value: (box) => figureOf(box, state.measure),
    cell: (box) => (figureOf(box, state.measure) ? percentText(figureOf(box, state.measure), figureOf(BOXES[0], state.measure)) : DASH),
  },
];

function layerCell(box) {  // a long path breaks after a dot
  const parts = box.path.split(".").flatMap((part, k) => (k ? [".", make("wbr"), part] : [part]));
  return make("button", { class: "link", onclick: () => reveal(box.id) }, ...parts, box.copies > 1 && ` ${TIMES}${box.copies}`);
}

function sortedRows() {
  const key = state.sort.replace(/^-/, ""), column = COLUMNS.find((one) => one.key === key), down = state.sort.startsWith("-");
  if (!column) return OPS;
  return [...OPS].sort((a, b) => {
    const x = column.value(a), y = column.value(b);
    const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
    return (down ? -order : order) || a.id - b.id;
  });
}

function headOf() {
  const key = state.sort.replace(/^-/, ""), down = state.sort.startsWith("-");
  return make("thead", null, make("tr", null, COLUMNS.map((column) => {
    const sorted = column.key === key, turn = sorted ? !down : Boolean(column.number);
    return make("th", { scope: "col", class: column.number ? "number" : null, "aria-sort": sorted ? (down ? "descending" : "ascending") : null },
      make("button", { onclick: () => set({ sort: (turn ? "-" : "") + column.key }) }, column.title, sorted ? (down ? " \u25be" : " \u25b4") : ""));
  })));
}

function rowOf(box) {
  return make("tr", { id: `row${box.id}`, onpointerenter: () => lightUp(box.id, true), onpointerleave: () => lightUp(box.id, false) },
    COLUMNS.map((column, k) => make(k ? "td" : "th", { class: column.number ? "number" : null, scope: k ? null : "row" }, column.cell(box))));
}

function lightUp(id, on) {
  const shown = [id, ...ancestors(id)].find((one) => elementOf(one));
  elementOf(shown)?.classList.toggle("on", on);
}

function footOf() {
  return make("tfoot", null, make("tr", null, COLUMNS.map((column, k) => make("td", { class: column.number ? "number" : null },
    k ? column.total?.() || "" : "all layers"))));
}
