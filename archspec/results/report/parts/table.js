// The table: a row for each experiment, its runs below it.
const FIRST_ROWS = 25;
const ON_PAPER = ["best_accuracy", "seconds", "params"];
const COLUMNS = ["test_accuracy", "best_accuracy", "last_train_accuracy", "test_loss", "last_train_loss", "seconds", "images_per_s", "params", "macs", "peak_memory_bytes"];

function tableSection() {
  const host = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of results" });
  const count = make("p", { class: "note", "aria-live": "polite" });
  views.push((groups) => {
    const rows = sortedRows(groups), cut = state.all ? rows : rows.slice(0, FIRST_ROWS);
    host.replaceChildren(make("table", null, headOf(), make("tbody", null, cut.flatMap(rowsOf))));
    const more = rows.length > cut.length && make("button", { onclick: () => set({ all: "1" }) }, `show all ${rows.length} rows`);
    count.replaceChildren(...[more ? `${cut.length} of ${plural(rows.length, "row")} ` : "", more].filter(Boolean));
  });
  return section("table", "Results", host, count, make("p", { class: "note" },
    `Mean ${PM} standard deviation over seeds. \u0394 and verdict: the difference of ${MEASURE.get(PRIMARY)?.title ?? PRIMARY} to the baseline, ${D.reason}, tested. `
    + "A heading sorts; the arrow before a row opens its runs with the command that repeats each."));
}

// name, title, value to sort by, cell; of each column.
function columnsOf() {
  const varying = (name) => new Set(GROUPS.map((group) => meanOf(group, name))).size > 1;
  const names = [PRIMARY, ...COLUMNS.filter((name) => name !== PRIMARY)].filter((name) => MEASURE.has(name))
    .filter((name) => !["params", "macs", "peak_memory_bytes"].includes(name) || varying(name));
  const best = (name) => {
    const values = GROUPS.map((group) => meanOf(group, name)).filter(isNumber);
    return MEASURE.get(name).higher ? Math.max(...values) : Math.min(...values);
  };
  const figures = names.map((name) => {
    const top = best(name), mark = isShare(name) || name.endsWith("loss");
    return {
      name, title: MEASURE.get(name).title, extra: name !== PRIMARY && !ON_PAPER.includes(name), value: (group) => meanOf(group, name), numeric: true,
      cell: (group) => statText(group, name), strong: (group) => mark && GROUPS.length > 1 && meanOf(group, name) === top,
    };
  });
  const settings = D.params.map((param, k) => ({
    name: param.key, title: param.title, value: (group) => group.values[k], numeric: param.numeric,
    cell: (group) => valueText(group.values[k]),
  }));
  const narrow = innerWidth < 560; // there what is compared comes first
  return [
    ...(narrow ? figures.slice(0, 1) : []), ...settings,
    { name: "n", title: "n", value: (group) => group.runs.length, numeric: true, cell: finishedText },
    ...(narrow ? [] : figures.slice(0, 1)),
    { name: "delta", title: "\u0394", value: (group) => group.delta ?? 0, numeric: true, cell: (group) => (group.delta === null ? DASH : signed(group.delta, PRIMARY)) },
    { name: "verdict", title: "verdict", value: (group) => group.text, cell: (group) => make("span", { class: `verdict ${group.verdict.replaceAll(" ", "-")}` }, group.text) },
    ...figures.slice(1),
    { name: "diagnosis", title: "diagnosis", value: diagnosisOf, cell: diagnosisOf },
  ];
}

let columns = null;
const allColumns = () => (columns ??= columnsOf());

function sortOf() {
  const name = state.sort.replace(/^-/, "") || PRIMARY;
  const down = state.sort ? state.sort.startsWith("-") : MEASURE.get(PRIMARY)?.higher !== false;
  return { name, down };
}

function sortedRows(groups) {
  const { name, down } = sortOf(), column = allColumns().find((one) => one.name === name);
  if (!column) return groups;
  const missing = (value) => value === null || value === undefined || value === "";
  return [...groups].sort((a, b) => {
    const x = column.value(a), y = column.value(b);
    if (missing(x) || missing(y)) return missing(x) - missing(y);
    const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
    return down ? -order : order;
  });
}

function headOf() {
  const { name, down } = sortOf();
  const cells = allColumns().map((column) => {
    const sorted = column.name === name;
    const turn = sorted ? !down : column.numeric && column.name !== "n" && MEASURE.get(column.name)?.higher === true;
    return make("th", { scope: "col", class: classOf(column), "aria-sort": sorted ? (down ? "descending" : "ascending") : null },
      make("button", { onclick: () => set({ sort: (turn ? "-" : "") + column.name }) }, column.title, sorted ? (down ? " \u25be" : " \u25b4") : ""));
  });
  return make("thead", null, make("tr", null, make("th", { scope: "col" }, make("span", { class: "unseen" }, "mark and open")), cells));
}

const classOf = (column, strong) => [column.numeric && "number", column.extra && "extra", strong && "strong"].filter(Boolean).join(" ") || null;

function rowsOf(group) {
  const open = inWords(state.open).has(group.number), marked = chosenRows().has(group.number);
  const first = make("td", { class: "tools" },
    make("button", { class: "open", "aria-expanded": String(open), "aria-label": `runs of ${group.label}`, onclick: () => set({ open: toggled(state.open, group.number) }) }, open ? "\u25be" : "\u25b8"),
    make("input", { type: "checkbox", checked: marked, "aria-label": `mark ${group.label}`, onchange: () => pick(group.number) }), swatch(colourOf(group)));
  const cells = allColumns().map((column) => make("td", {
    class: classOf(column, column.strong && column.strong(group)),
  }, column.cell(group)));
  const row = make("tr", { class: [marked && "marked", group.number === D.baseline && "baseline"].filter(Boolean).join(" ") || null }, first, cells);
  return open ? [row, make("tr", { class: "runs" }, make("td", { colspan: cells.length + 1 }, runsOf(group)))] : [row];
}

function runsOf(group) {
  return make("ul", null, group.runs.map((run) => {
    const figure = run.figures(PRIMARY), command = commandOf(run);
    const facts = [`seed ${run.seed ?? DASH}`, run.status, plural(run.epochs, "epoch"), isNumber(figure) && `${MEASURE.get(PRIMARY).title} ${figureText(figure, PRIMARY)}`,
      run.diagnosis !== run.status && run.diagnosis, D.environments.length > 1 && `environment ${D.environment[run.number] + 1}`].filter(Boolean);
    return make("li", null, make("span", null, facts.join(", ")), make("div", { class: "command" }, make("code", null, command), copyButton(command)));
  }));
}

function copyButton(text) {
  return make("button", {
    onclick: (event) => {
      const button = event.target, done = () => { button.textContent = "copied"; }, failed = () => { button.textContent = "select it by hand"; };
      if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, failed); else failed();
    },
  }, "copy");
}
