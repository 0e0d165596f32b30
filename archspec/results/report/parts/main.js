// The page.
function section(id, title, ...content) {
  const heading = make("h2", { id: `${id}-title` }, title);
  return make("section", { id, "aria-labelledby": `${id}-title` }, heading, content);
}

function header() {
  const groups = GROUPS.length, seconds = D.runs.seconds.reduce((a, b) => a + b, 0);
  const time = seconds >= 5400 ? `${(seconds / 3600).toFixed(1)} h` : seconds >= 90 ? `${(seconds / 60).toFixed(0)} min` : `${seconds.toFixed(0)} s`;
  const varied = D.params.map((param) => param.title).join(", ");
  const facts = [`${plural(RUNS.length, "run")} in ${plural(groups, "row")}`, varied && `varied: ${varied}`, seconds && `${time} of training`].filter(Boolean).join(" \u00b7 ");
  return make("header", null, make("h1", null, D.title), make("p", { class: "facts" }, facts), verdictLine(),
    D.repeated > 0 && make("p", { class: "note" }, `${plural(D.repeated, "run")} that repeat${D.repeated === 1 ? "s" : ""} a seed left out.`));
}

function verdictLine() {
  const best = GROUPS[D.best], base = GROUPS[D.baseline];
  if (!best || !statOf(best, PRIMARY)) return make("p", { class: "best" }, RUNS.length ? "No run has a result yet." : "There is no run yet.");
  const counts = new Map();
  for (const group of GROUPS) if (group !== base) counts.set(group.verdict, (counts.get(group.verdict) || 0) + 1);
  const words = { worse: "worse", better: "better", "within noise": "within noise", "not known": "not known to differ (one seed)", "no figure": "without a figure" };
  const others = Object.entries(words).filter(([key]) => counts.get(key)).map(([key, text]) => `${counts.get(key)} ${text}`).join(", ");
  return make("p", { class: "best" }, "Best: ", make("b", null, best.label), `, ${MEASURE.get(PRIMARY).title} ${statText(best, PRIMARY)} (n = ${statOf(best, PRIMARY).n}).`,
    base !== best && [" Baseline: ", make("b", null, base.label), `, ${statText(base, PRIMARY)} (n = ${statOf(base, PRIMARY).n}), ${D.reason}.`],
    others && ` Compared with ${base === best ? "it" : "the baseline"}: ${others}.`);
}

const SHORT = {
  table: "Results", curves: "Curves", importance: "Importance", settings: "Settings", parallel: "Parallel", cost: "Cost", findings: "Doctor",
  confusion: "Confusion", environments: "Environment", method: "Method",
};

function toolbar(sections) {
  const input = make("input", {
    type: "search", id: "filter", value: state.filter, placeholder: D.params.some((p) => p.numeric) ? `${D.params.find((p) => p.numeric).title}>=0.1 word` : "a word", spellcheck: "false", autocomplete: "off",
    oninput: (event) => set({ filter: event.target.value }),
  });
  const count = make("span", { class: "count" });
  views.push((groups) => {
    if (document.activeElement !== input && input.value !== state.filter) input.value = state.filter;
    count.textContent = groups.length === GROUPS.length ? plural(GROUPS.length, "row") : `${groups.length} of ${plural(GROUPS.length, "row")}`;
  });
  const figure = drawnMeasures().length > 1 && choice("Figure", state.figure, drawnMeasures().map((m) => [m.name, m.title]), (value) => set({ figure: value }));
  const links = sections.map((one) => make("a", { href: `#${one.id}`, onclick: (event) => { event.preventDefault(); one.scrollIntoView(); one.querySelector("h2").focus(); } }, SHORT[one.id]));
  return make("div", { class: "toolbar" }, make("label", null, "Filter ", input), count, figure, make("nav", { "aria-label": "Sections" }, links));
}

function begin() {
  readAddress();
  const sections = [tableSection(), curvesSection(), importanceSection(), multiplesSection(), parallelSection(), costSection(), findingsSection(), matricesSection(), environmentsSection(), methodSection()].filter(Boolean);
  for (const one of sections) one.querySelector("h2").setAttribute("tabindex", -1);
  find("page").append(header(), toolbar(sections), ...sections,
    make("footer", null, `Made by archspec ${D.archspec}, ${D.made.replace("T", " ").slice(0, 16)} UTC.`));
  document.body.append(tip, spoken);
  drawAll();
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; columns = null; redraw(); } });
  addEventListener("keydown", (event) => { if (event.key === "/" && document.activeElement === document.body) { event.preventDefault(); find("filter").focus(); } });
  addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });
  if (D.reload) setInterval(() => { if (document.activeElement === document.body && !tip.className) location.reload(); }, 1000 * D.reload);
  document.documentElement.dataset.ready = "yes";
}

begin();
