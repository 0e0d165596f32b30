// Parallel coordinates: an axis a setting, and the figure; a line a row.
function parallelSection() {
  if (!D.params.length || GROUPS.length < 2) return null;
  const host = make("div", { class: "plot" });
  views.push((groups) => drawParallel(host, groups));
  return section("parallel", "All settings at once", host, make("p", { class: "note" },
    "A line a row, through its settings to the figure. Drag along an axis to keep what lies between: that writes a condition into the filter, which can be typed too."));
}

function drawParallel(host, groups) {
  const measure = MEASURE.get(state.figure) || MEASURE.get(PRIMARY);
  if (!measure) return void host.replaceChildren(make("p", { class: "empty" }, "No figure yet."));
  const full = Math.max(260, host.clientWidth), axes = [...D.params.map((param, k) => settingAxis(param, k)), figureAxis(measure)];
  const width = Math.max(full, axes.length * 80), height = 300, top = 34, bottom = 16;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", class: "chart wide", "aria-label": `Parallel coordinates of ${axes.map((one) => one.title).join(", ")}` });
  const first = 46, gap = (width - first - 60) / Math.max(1, axes.length - 1);
  axes.forEach((one, k) => { one.x = first + k * gap; one.most = Math.max(8, Math.floor(gap / 6.5)); one.scale = axis(one.low, one.high, height - bottom, top, one.log); });
  const chosen = chosenRows(), shown = new Set(groups);
  groups = [...groups].sort((a, b) => (meanOf(a, measure.name) ?? 0) - (meanOf(b, measure.name) ?? 0)); // the highest on top
  const ordered = [...GROUPS.filter((group) => !shown.has(group)), ...groups.filter((group) => !chosen.has(group.number)), ...groups.filter((group) => chosen.has(group.number))];
  const hot = draw("path", { class: "hot" }), marks = [];
  for (const group of ordered) {
    const aside = ((group.number * 0.618) % 1 - 0.5) * 12; // lines through the same value lie side by side
    const points = axes.map((one) => [one.x, one.scale(one.value(group)) + (one.values ? aside : 0)]);
    const name = shown.has(group) ? colourOf(group) : "out";
    svg.append(draw("path", { class: `line ${groups.length > 40 ? "many" : ""} ${name}`, d: pathOf(points) }));
    if (shown.has(group)) marks.push({ points, group });
  }
  for (const one of axes) svg.append(...axisParts(one, height, top, bottom, width));
  svg.append(hot);
  axes.forEach((one) => brushable(svg, one, top, height - bottom));
  followRows(svg, marks, hot, measure);
  host.replaceChildren(make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Parallel coordinates" }, svg));
}

function settingAxis(param, k) {
  const { values, listed } = placesOf(k);
  if (!listed) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const places = param.log ? logTicks(low, high) : ticks(low, high, 5);
    return { title: param.title, key: param.title, numeric: true, low, high, log: param.log, value: (group) => group.values[k], ticks: places.map((v) => [v, tickText(v)]) };
  }
  const most = values.length > 24 ? Math.ceil(values.length / 24) : 1;
  return {
    title: param.title, key: param.title, values, low: values.length > 1 ? 0 : -1, high: Math.max(1, values.length - 1), numeric: param.numeric,
    value: (group) => values.indexOf(group.values[k]), ticks: values.map((v, j) => [j, clipped(valueText(v), 12)]).filter(([j]) => j % most === 0),
  };
}

function figureAxis(measure) {
  const means = GROUPS.map((group) => meanOf(group, measure.name)).filter(isNumber);
  const log = means.length > 0 && Math.min(...means) > 0 && Math.max(...means) / Math.min(...means) > 20;
  const [low, high] = spanOf(means, log, 0.02);
  return {
    title: measure.title, key: measure.name, numeric: true, low, high, log, figure: true, value: (group) => meanOf(group, measure.name) ?? NaN,
    ticks: (log ? logTicks(low, high) : ticks(low, high, 6)).map((v) => [v, ["params", "macs"].includes(measure.name) ? shortText(v) : tickText(v)]),
  };
}

function axisParts(one, height, top, bottom, width) {
  const anchor = one.x > width - 70 ? "end" : one.x < 60 ? "start" : "middle";
  const parts = [
    draw("path", { class: "axis", d: `M${one.x.toFixed(1)} ${top}V${height - bottom}` }),
    draw("text", { class: "title", x: anchor === "end" ? width - 4 : anchor === "start" ? 4 : one.x, y: 14, "text-anchor": anchor }, clipped(one.title, Math.min(22, one.most))),
  ];
  for (const [value, text] of one.ticks) {
    const y = one.scale(value) + 4;
    parts.push(draw("path", { class: "axis", d: `M${(one.x - 3).toFixed(1)} ${(y - 4).toFixed(1)}h6` }));
    parts.push(draw("text", { class: "halo", x: one.x + 6, y }, text));
  }
  return parts;
}

// Dragging along an axis writes a condition.
function brushable(svg, one, top, bottom) {
  const box = draw("rect", { class: "brush", x: one.x - 8, width: 16, y: 0, height: 0 });
  const strip = draw("rect", { class: "strip", x: one.x - 12, y: top - 6, width: 24, height: bottom - top + 12 });
  let start = null;
  const range = (event) => { const y = Math.min(Math.max(placeIn(svg, event)[1], top), bottom); return [Math.min(start, y), Math.max(start, y)]; };
  strip.addEventListener("pointerdown", (event) => { start = Math.min(Math.max(placeIn(svg, event)[1], top), bottom); strip.setPointerCapture(event.pointerId); });
  strip.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const [a, b] = range(event);
    box.setAttribute("y", a);
    box.setAttribute("height", b - a);
  });
  strip.addEventListener("pointerup", (event) => {
    const [a, b] = range(event);
    start = null;
    if (b - a > 4) set({ filter: withRange(one, one.scale.back(b), one.scale.back(a)) });
  });
  svg.append(box, strip);
}

// The filter with this axis kept between two values, earlier conditions on it replaced.
function withRange(one, low, high) {
  const rest = (state.filter.match(/[^\s"]+"[^"]*"|"[^"]*"|\S+/g) || []).filter((word) => !["<", ">", "=", "!"].some((sign) => word.startsWith(one.key + sign)));
  let added;
  if (one.values) {
    const kept = one.values.filter((_, j) => j >= low - 0.3 && j <= high + 0.3);
    if (!kept.length) return state.filter;
    if (kept.length === 1) added = [`${one.key}=${/\s/.test(kept[0]) ? `"${kept[0]}"` : kept[0]}`];
    else if (one.numeric) added = [`${one.key}>=${kept[0]}`, `${one.key}<=${kept.at(-1)}`];
    else added = one.values.filter((value) => !kept.includes(value)).map((value) => `${one.key}!=${/\s/.test(value) ? `"${value}"` : value}`);
  } else added = [`${one.key}>=${Number(low.toPrecision(4))}`, `${one.key}<=${Number(high.toPrecision(4))}`];
  return [...rest, ...added].join(" ");
}

function followRows(svg, marks, hot, measure) {
  let current = -1;
  const show = (k, x, y) => {
    current = k;
    const { points, group } = marks[k];
    hot.setAttribute("class", `hot on ${colourOf(group) === "rest" ? "ink" : colourOf(group)}`);
    hot.setAttribute("d", pathOf(points));
    showTip(svg, x * scaleOf(svg), y * scaleOf(svg), group.label, [`${measure.title} ${statText(group, measure.name)}`, group.text]);
  };
  const hide = () => { hot.setAttribute("class", "hot"); hideTip(); };
  const heightAt = (points, x) => {
    const j = points.findIndex((point) => point[0] >= x);
    if (j <= 0) return j === 0 ? points[0][1] : NaN;
    const [a, b] = [points[j - 1], points[j]];
    return a[1] + (x - a[0]) / (b[0] - a[0]) * (b[1] - a[1]);
  };
  svg.addEventListener("pointermove", (event) => {
    const [x, y] = placeIn(svg, event);
    let best = 12, found = -1;
    marks.forEach((mark, k) => { const gap = Math.abs(heightAt(mark.points, x) - y); if (gap < best) { best = gap; found = k; } });
    if (found >= 0) show(found, x, y); else hide();
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("dblclick", () => { if (current >= 0) pick(marks[current].group.number); });
  svg.setAttribute("tabindex", 0);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") return hide();
    if (event.key === "Enter" && current >= 0) return pick(marks[current].group.number);
    if (!step || !marks.length) return;
    event.preventDefault();
    const next = (current + step + marks.length) % marks.length;
    show(next, marks[next].points.at(-1)[0], marks[next].points.at(-1)[1] || 20);
  });
}
