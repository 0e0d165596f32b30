// Accuracy against cost, and the rows that nothing beats in both.
const COSTS = ["macs", "params", "seconds", "peak_memory_bytes"];

function costSection() {
  const costs = COSTS.filter((name) => MEASURE.has(name) && new Set(GROUPS.map((group) => meanOf(group, name)).filter(isNumber)).size > 1);
  if (!costs.length || GROUPS.length < 2) return null;
  if (!costs.includes(state.cost)) state.cost = START.cost = costs[0];
  const host = make("div", { class: "plot" }), front = make("p", { class: "note", "aria-live": "polite" });
  const controls = make("div", { class: "controls" },
    choice("Cost", state.cost, costs.map((name) => [name, costTitle(name)]), (value) => set({ cost: value })),
    tick("log scale", state.costLog === "1", (on) => set({ costLog: on ? "1" : "0" })));
  views.push((groups) => drawCost(host, front, groups));
  return section("cost", "The figure against its cost", controls, host, front);
}

const costTitle = (name) => ({ macs: "MACs of one image", params: "parameters", seconds: "seconds of training", peak_memory_bytes: "peak memory" })[name];

function drawCost(host, note, groups) {
  const measure = MEASURE.get(state.figure) && !COSTS.includes(state.figure) ? MEASURE.get(state.figure) : MEASURE.get(PRIMARY);
  const have = groups.filter((group) => isNumber(meanOf(group, state.cost)) && isNumber(measure && meanOf(group, measure.name)));
  if (!have.length) { note.textContent = ""; return void host.replaceChildren(make("p", { class: "empty" }, "No figure yet.")); }
  const cost = (group) => meanOf(group, state.cost), figure = (group) => meanOf(group, measure.name);
  const log = state.costLog === "1" && have.every((group) => cost(group) > 0);
  const [xLow, xHigh] = spanOf(have.map(cost), log), means = have.map(figure);
  const logY = measure.name.endsWith("loss") && Math.min(...means) > 0 && Math.max(...means) / Math.min(...means) > 20;
  const [yLow, yHigh] = figureSpan(measure.name, means, logY);
  const inUnits = (v) => (state.cost === "seconds" ? tickText(v) : state.cost === "peak_memory_bytes" ? figureText(v, "peak_memory_bytes") : shortText(v));
  const places = (log ? logTicks(xLow, xHigh) : ticks(xLow, xHigh, host.clientWidth < 500 ? 4 : 8)).map((v) => [v, inUnits(v)]);
  const { svg, px, py } = chart(host, `${measure.title} against ${costTitle(state.cost)}`, {
    height: 320, x: { low: xLow, high: xHigh, log, title: costTitle(state.cost), ticks: places }, y: { low: yLow, high: yHigh, log: logY, title: measure.title },
  });
  const front = paretoFront(have, cost, figure, measure.higher);
  const steps = front.flatMap((group, k) => (k ? [[px(cost(group)), py(figure(front[k - 1]))], [px(cost(group)), py(figure(group))]] : [[px(cost(group)), py(figure(group))]]));
  svg.append(draw("path", { class: "front", d: pathOf(steps) }));
  const marks = have.map((group) => {
    const x = px(cost(group)), y = py(figure(group)), on = front.includes(group), stat = statOf(group, measure.name);
    if (stat.sd && !logY) svg.append(draw("path", { class: `whisker ${colourOf(group)}`, d: `M${x.toFixed(1)} ${py(stat.mean - stat.sd).toFixed(1)}V${py(stat.mean + stat.sd).toFixed(1)}` }));
    svg.append(on ? draw("path", { class: `dot ${colourOf(group)}`, d: `M${x.toFixed(1)} ${(y - 6).toFixed(1)}l6 6l-6 6l-6 -6z` }) : draw("circle", { class: `dot ${colourOf(group)}`, cx: x, cy: y, r: 3.5 }));
    return { x, y, head: group.label, rows: [`${measure.title} ${statText(group, measure.name)}`, `${costTitle(state.cost)}: ${figureText(cost(group), state.cost)}`, ...(on ? ["on the Pareto front"] : [])], group: group.number };
  });
  marks.sort((a, b) => a.x - b.x);
  const ring = draw("circle", { class: "ring", r: 8 });
  svg.append(ring);
  explorable(svg, marks, ring, pick);
  host.replaceChildren(svg);
  const named = front.slice(0, 6).map((group) => `${group.label} (${figureText(figure(group), measure.name)} at ${figureText(cost(group), state.cost)})`);
  note.textContent = `Pareto front by means, marked by diamonds: no other row is better in the figure without costing more: ${named.join("; ")}${front.length > 6 ? `; and ${front.length - 6} more` : ""}.`;
}

// The rows that no other one beats: cheapest first.
function paretoFront(groups, cost, figure, higher) {
  const sign = higher ? 1 : -1;
  const ordered = [...groups].sort((a, b) => cost(a) - cost(b) || sign * (figure(b) - figure(a)));
  let best = -Infinity;
  return ordered.filter((group) => {
    const better = sign * figure(group) > best;
    if (better) best = sign * figure(group);
    return better;
  });
}
