// What the settings do: how much of the figure's variance each accounts for, and the figure against each.
function importanceSection() {
  const { shares, n, without, seeds } = D.importance, figure = MEASURE.get(PRIMARY)?.title ?? PRIMARY;
  const bars = shares.map((one) => {
    const param = D.params[one.param], levels = `${one.levels} ${one.binned ? "bins" : "values"}`;
    const together = one.together.length ? `varies together with ${one.together.map((k) => D.params[k].title).join(", ")}: the share is of all of them` : "";
    return bar(param.title, one.share, [levels, together].filter(Boolean).join("; "));
  });
  if (seeds !== null) bars.push(bar("repetitions", seeds, "what is left between runs that differ by their seeds alone"));
  if (!D.params.length) return null;
  return section("importance", "Importance of each setting", make("div", { class: "bars" }, bars), make("p", { class: "note" },
    `The share of the variance of ${figure} between the ${plural(n, "run")} that have it which the setting's values account for, each setting by itself `
    + "(one-way analysis of variance, \u03b5\u00b2: \u03b7\u00b2 corrected for chance, Kelley 1935). Shares need not add up to 1: interactions belong to no setting alone, "
    + "and settings that vary together share what they explain. A number with many values is cut into five bins of equal counts."
    + (without ? ` ${plural(without, "run")} without the figure ${without === 1 ? "is" : "are"} left out.` : "")));
}

function bar(name, share, about) {
  const known = share !== null, meter = make("div", { class: "meter" });
  const fill = make("div", { class: "fill" });
  if (known) fill.style.width = `${(100 * share).toFixed(1)}%`;
  meter.append(fill);
  return make("div", { class: "bar" }, make("span", { class: "name" }, name), meter,
    make("span", { class: "share" }, known ? `${(100 * share).toFixed(0)} %` : "not known"), make("span", { class: "about" }, known ? about : `${about}: too few runs to tell`));
}

function multiplesSection() {
  if (!D.params.length) return null;
  const host = make("div", { class: "multiples" });
  views.push((groups) => {
    const cells = D.params.map((param, k) => make("figure", null, make("figcaption", null, param.title)));
    host.replaceChildren(...cells);
    cells.forEach((cell, k) => cell.append(multiple(cell, groups, k)));
  });
  return section("settings", "The figure against each setting", host,
    make("p", { class: "note" }, `A dot a row, its whisker ${PM} one standard deviation over seeds; the line joins the means over all rows with the same value.`));
}

function placesOf(k) {
  const param = D.params[k], values = [...new Set(GROUPS.map((group) => group.values[k]))];
  if (param.numeric) values.sort((a, b) => a - b);
  return { values, listed: !param.numeric || values.length <= 6 };
}

function multiple(host, groups, k) {
  const param = D.params[k], { values, listed } = placesOf(k), measure = MEASURE.get(state.figure) || MEASURE.get(PRIMARY);
  const have = measure ? groups.filter((group) => statOf(group, measure.name)) : [];
  if (!have.length) return make("p", { class: "empty" }, "No figure yet.");
  const spread = have.flatMap((group) => { const s = statOf(group, measure.name); return [s.mean - (s.sd || 0), s.mean + (s.sd || 0)]; });
  const means = have.map((group) => meanOf(group, measure.name));
  const log = measure.name.endsWith("loss") && Math.min(...means) > 0 && Math.max(...means) / Math.min(...means) > 20;
  const y = figureSpan(measure.name, log ? means : spread, log);
  const places = listed ? { low: -0.5, high: values.length - 0.5, ticks: values.map((v, j) => [j, clipped(valueText(v), 14)]) }
    : (([low, high]) => ({ low, high, log: param.log }))(spanOf(values, param.log));
  const { svg, px, py } = chart(host, `${measure.title} against ${param.title}`, { height: 220, x: places, y: { low: y[0], high: y[1], log, title: measure.title }, bottom: 24 });
  const place = (group) => px(listed ? values.indexOf(group.values[k]) : group.values[k]);
  if (listed) {
    const line = values.map((v, j) => {
      const at = have.filter((group) => group.values[k] === v).map((group) => meanOf(group, measure.name));
      return [px(j), at.length ? py(mean(at)) : NaN];
    }).filter(([, v]) => isNumber(v));
    svg.append(draw("path", { class: "means", d: pathOf(line) }));
  }
  const marks = have.map((group, j) => {
    const stat = statOf(group, measure.name), shift = listed ? ((j * 0.618) % 1 - 0.5) * Math.min(18, (px(1) - px(0)) * 0.35) : 0, x = place(group) + shift;
    if (stat.sd) svg.append(draw("path", { class: `whisker ${colourOf(group)}`, d: `M${x.toFixed(1)} ${py(Math.max(stat.mean - stat.sd, log ? y[0] : -Infinity)).toFixed(1)}V${py(stat.mean + stat.sd).toFixed(1)}` }));
    svg.append(draw("circle", { class: `dot ${colourOf(group)}`, cx: x, cy: py(stat.mean), r: 3.5 }));
    return { x, y: py(stat.mean), head: group.label, rows: [`${measure.title} ${statText(group, measure.name)}`, group.text], group: group.number };
  });
  marks.sort((a, b) => a.x - b.x);
  const ring = draw("circle", { class: "ring", r: 6 });
  svg.append(ring);
  explorable(svg, marks, ring, pick);
  return svg;
}
