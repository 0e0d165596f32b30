// What was found and where it was run: the doctor, confusion matrices, environments, how figures are made.
function findingsSection() {
  const rows = D.findings.map((finding) => {
    const passed = finding.runs.filter(([, , until]) => until !== null).length, steps = finding.runs.map(([, step]) => step).filter(isNumber);
    const where = [...new Set(finding.runs.map(([number]) => RUNS[number].group))];
    const range = steps.length ? (Math.min(...steps) === Math.max(...steps) ? `step ${steps[0]}` : `steps ${Math.min(...steps)} to ${Math.max(...steps)}`) : "";
    return make("li", null, make("h3", null, make("code", null, finding.code), ` ${finding.title}`),
      make("p", null, `${plural(finding.runs.length, "run")}${passed ? `, in ${passed} of them it passed` : ""}${range && `, ${range}`}: `,
        where.slice(0, 12).map((k) => make("button", { class: "item", onclick: () => pick(k) }, swatch(colourOf(GROUPS[k])), clipped(GROUPS[k].label, 50))), where.length > 12 ? ` and ${where.length - 12} more` : ""),
      finding.evidence.length > 0 && finding.runs.length > 1 && make("p", null, "In the first of them:"), finding.evidence.length > 0 && make("ul", null, finding.evidence.map((text) => make("li", null, text))), finding.advice && make("p", { class: "advice" }, `Advice: ${finding.advice}`));
  });
  const failed = RUNS.filter((run) => run.status !== "finished");
  const body = rows.length ? make("ul", { class: "findings" }, rows) : make("p", null, "The doctor found nothing.");
  return section("findings", "The doctor's findings", body, failed.length > 0 && make("p", { class: "note" },
    `${plural(failed.length, "run")} did not come to ${failed.length === 1 ? "its" : "their"} end: see the column diagnosis.`));
}

function matricesSection() {
  if (!D.matrices.length) return null;
  const host = make("div", { class: "matrices" }, D.matrices.map(matrix));
  return section("confusion", "Confusion matrices", host, make("p", { class: "note" },
    "Of the best rows, summed over seeds. A row a class, a column what it was taken for, in percent of the row; the diagonal is what was recognised."));
}

function matrix({ group, columns, rows }) {
  const small = columns.length <= 12;
  const cell = (count, total, r, c) => {
    const share = total ? count / total : 0;
    const level = share === 0 ? 0 : Math.min(5, 1 + Math.floor((r === c ? share : share * 3) * 4.99));
    const text = share === 0 ? "" : share >= 0.995 ? "100" : share < 0.005 ? "\u00b7" : (100 * share).toFixed(0);
    return make("td", { class: `${r === c ? "right" : "wrong"}${level}`, title: `${columns[r]} taken for ${columns[c]}: ${count} of ${total}` }, small ? text : "");
  };
  const head = make("tr", null, make("td"), columns.map((name) => make("th", { scope: "col" }, make("span", null, clipped(name, 12)))));
  const body = rows.map((row, r) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return make("tr", null, make("th", { scope: "row" }, clipped(columns[r], 14)), row.map((count, c) => cell(count, total, r, c)));
  });
  return make("figure", null, make("figcaption", null, clipped(GROUPS[group].label, 70)), make("div", { class: "scroll" }, make("table", { class: "matrix" }, make("thead", null, head), make("tbody", null, body))));
}

function environmentsSection() {
  if (!D.environments.length) return null;
  const maps = D.environments.map((rows) => new Map(rows)), names = [...new Set(maps.flatMap((one) => [...one.keys()]))];
  const counts = D.environments.map((_, k) => D.environment.filter((one) => one === k).length);
  const shown = maps.slice(0, 8);
  const rows = names.map((name) => {
    const values = shown.map((one) => one.get(name) ?? DASH);
    return make("tr", { class: new Set(values).size > 1 ? "differs" : null }, make("th", { scope: "row" }, name), values.map((value) => make("td", null, value)));
  });
  const head = make("tr", null, make("td"), shown.map((_, k) => make("th", { scope: "col" }, `${maps.length > 1 ? `${k + 1}: ` : ""}${plural(counts[k], "run")}`)));
  const more = maps.length > shown.length && make("p", { class: "note" }, `and ${maps.length - shown.length} more`);
  return section("environments", maps.length > 1 ? "Environments" : "Environment", make("div", { class: "scroll" }, make("table", { class: "plain" }, make("thead", null, head), make("tbody", null, rows))), more,
    maps.length > 1 && make("p", { class: "note" }, "Rows in which they differ are marked: times of different machines cannot be compared."));
}

function methodSection() {
  return section("method", "How these figures are made", make("ul", { class: "plain" }, [
    "Runs that differ by their seeds alone are one row: mean \u00b1 standard deviation (n \u2212 1) over its runs that have the figure. A seed that was run twice counts once.",
    `Verdicts compare ${MEASURE.get(PRIMARY)?.title ?? PRIMARY} with the baseline: a t-test in pairs of equal seeds where two rows share at least two, else Welch's; p-values are adjusted for the number of rows (Holm), and a difference counts below ${D.alpha}. With one seed nothing is known. The baseline is ${D.reason}, chosen by the same figures, which favours it a little.`,
    `Curves hold at most ${Math.max(0, ...D.grids.map((grid) => grid.length))} points a run, its first, best and last epoch among them; the table's figures are exact.`,
    "Commands run in the folder where archspec made this page.",
  ].map((text) => make("li", null, text))));
}
