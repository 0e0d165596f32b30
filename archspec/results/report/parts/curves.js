// Learning curves: the mean of each row's finished runs over the epochs, with a band; the other runs dashed.
function curvesSection() {
  const host = make("div", { class: "plot" }), legend = make("div", { class: "legend" }), controls = make("div", { class: "controls" });
  const colours = [["row", "row"], ["figure", "the figure"], ...D.params.map((param) => [param.key, param.title])];
  const series = D.series.map((name) => [name, SERIES_TITLES[name]]);
  const smooth = make("input", {
    type: "range", min: 0, max: 0.95, step: 0.05, value: state.smooth, "aria-label": "smoothing",
    oninput: (event) => set({ smooth: Number(event.target.value) }),
  });
  controls.append(
    choice("Show", state.series, series, (value) => set({ series: value, logY: "" })),
    choice("Colour by", state.colour, colours, (value) => set({ colour: value })),
    choice("Band", state.band, [["sd", `${PM} s.d. over seeds`], ["range", "lowest to highest"], ["runs", "each run"], ["none", "none"]],
      (value) => set({ band: value })),
    make("label", null, "Smooth ", smooth),
    tick("log scale", isLog(), (on) => set({ logY: on ? "1" : "0" })),
    tick("log epochs", state.logX === "1", (on) => set({ logX: on ? "1" : "" })),
  );
  views.push((groups) => {
    controls.querySelectorAll("input[type=checkbox]")[0].checked = isLog();
    drawCurves(host, groups);
    legend.replaceChildren(...legendOf(groups));
  });
  return section("curves", "Learning curves", controls, legend, host, make("p", { class: "note" },
    "A line is the mean of a row's finished runs; a run that did not finish is dashed. Point at a line, or use the arrow keys: left and right through the epochs, up and down through the rows. Enter marks a row."));
}

// Losses that lie far apart start on a log scale.
function isLog() {
  if (state.logY) return state.logY === "1";
  if (!state.series.endsWith("loss")) return false;
  let low = Infinity, high = 0;
  for (const group of GROUPS) {
    for (const value of lineOf(group, state.series).values) {
      if (value > 0 && value < low) low = value;
      if (value > high) high = value;
    }
  }
  return high / low > 20;
}

function legendOf(groups) {
  const chosen = chosenRows();
  if (chosen.size || state.colour === "row") {
    const rows = chosen.size ? [...chosen].map((k) => GROUPS[k]).filter(Boolean) : groups.slice(0, 8);
    const items = rows.map((group) => make("button", {
      class: "item", "aria-pressed": String(chosen.has(group.number)), title: "mark this row", onclick: () => pick(group.number),
    }, swatch(colourOf(group)), clipped(group.label, 60)));
    if (chosen.size) items.push(make("button", { class: "item clear", onclick: () => set({ chosen: "" }) }, "unmark all"));
    return items;
  }
  const scale = colourScale();
  return scale ? scale.entries.map(([name, text]) => make("span", { class: "item" }, swatch(name), text)) : [];
}

const swatch = (name) => draw("svg", { width: 18, height: 10, "aria-hidden": "true" }, draw("path", { class: `line ${name}`, d: "M1 5H17" }));

// A value as drawn: on a log scale a share, as an accuracy, is drawn as its error.
function drawnValue(log) {
  const flip = log && isShare(state.series);
  return (value) => (flip ? Math.max(1 - value, 1e-5) : value);
}

function drawnLine(group, log) {
  const line = lineOf(group, state.series);
  const value = drawnValue(log);
  return {
    group, epochs: line.epochs, values: smoothed(line.values).map(value), sd: line.sd, counts: line.counts,
    low: smoothed(line.low).map(value), high: smoothed(line.high).map(value),
  };
}

// An exponential mean without the bias of its start.
function smoothed(values) {
  const keep = state.smooth;
  if (!keep) return values;
  let sum = 0, weight = 0;
  return values.map((value) => {
    if (!isNumber(value)) return value;
    sum = keep * sum + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return sum / weight;
  });
}

function drawCurves(host, groups) {
  const log = isLog(), found = groups.map((group) => drawnLine(group, log)).filter((line) => line.epochs.length);
  if (!found.length) return void host.replaceChildren(make("p", { class: "empty" }, groups.length ? "No run has finished an epoch yet." : "No row fits the filter."));
  const stepped = state.series.startsWith("train") && D.steps.length > 0;
  const epochs = found.flatMap((line) => line.epochs), last = Math.max(...epochs);
  const first = state.logX === "1" || !stepped ? Math.min(...epochs) : 0;
  const lowHigh = figureSpan(log ? "" : state.series, [...found.flatMap((line) => line.values), ...(stepped ? stepValues(found, log) : [])], log);
  const title = SERIES_TITLES[state.series];
  const end = last > first ? last : first + 1, logX = state.logX === "1" && first > 0;
  const whole = logX ? undefined : ticks(first, end, Math.max(2, Math.min(11, host.clientWidth / 70))).filter(Number.isInteger).map((v) => [v, String(v)]);
  const drawn = chart(host, `Learning curves: ${title} over the epochs, ${plural(found.length, "row")}`, {
    height: host.clientWidth < 500 ? 260 : 380,
    x: { low: first, high: end, log: logX, title: "epoch", ticks: whole },
    y: { low: lowHigh[0], high: lowHigh[1], log, title: log && isShare(state.series) ? `1 ${MINUS} ${title}` : title },
  });
  const { svg, px, py } = drawn;
  const window_ = draw("g", { "clip-path": "url(#frame)" });
  svg.append(draw("clipPath", { id: "frame" }, draw("rect", {
    x: drawn.left, y: drawn.top - 2, width: drawn.width - drawn.left - drawn.right + 2, height: drawn.height - drawn.top - drawn.bottom + 4,
  })), window_);
  const chosen = chosenRows(), marked = (line) => chosen.has(line.group.number);
  const ordered = chosen.size ? [...found.filter((line) => !marked(line)), ...found.filter(marked)] : found;
  for (const line of ordered) window_.append(...lineParts(line, px, py, found.length, log));
  if (stepped) for (const line of found) window_.append(...stepParts(line.group, px, py));
  svg.append(...eventParts(found, px, py, log));
  const hot = draw("path", { class: "hot" }), ring = draw("circle", { class: "ring", r: 5 });
  svg.append(hot, ring);
  followLines(drawn, found, hot, ring);
  host.replaceChildren(svg);
}

function lineParts(line, px, py, count, log) {
  const name = colourOf(line.group), parts = [];
  const points = line.values.map((value, k) => [px(line.epochs[k]), py(value)]);
  const runs = averaged(line.group), others = line.group.runs.filter((run) => !runs.includes(run));
  const drawn = (run, kind) => {
    const curve = curveOf(run, state.series), values = smoothed(curve.values).map(drawnValue(log));
    return draw("path", { class: `line thin ${kind} ${name}`, d: pathOf(values.map((v, k) => [px(curve.epochs[k]), py(v)])) });
  };
  if (state.band === "runs" && runs.length > 1) parts.push(...runs.map((run) => drawn(run, "")));
  else if (state.band !== "none" && runs.length > 1 && name !== "rest") parts.push(draw("path", { class: `area ${name}`, d: bandOf(line, px, py) }));
  if (state.band !== "none") parts.push(...others.map((run) => drawn(run, "unfinished")));
  const thin = count > 40 && name !== "rest" ? "many" : "";
  parts.push(draw("path", { class: `line ${thin} ${isFinished(runs[0]) ? "" : "unfinished"} ${name}`, d: pathOf(points) }));
  const end = points.findLast(([, y]) => isNumber(y));
  if (end && points.filter(([, y]) => isNumber(y)).length === 1) parts.push(draw("circle", { class: `dot ${name}`, cx: end[0], cy: end[1], r: 3.5 }));
  if (end && end !== points.at(-1)) {
    parts.push(draw("text", { class: "cross", x: end[0], y: end[1] + 4, "text-anchor": "middle" }, TIMES, draw("title", null, "not finite from here on")));
  }
  return parts;
}

function bandOf(line, px, py) {
  const upper = [], lower = [];
  line.values.forEach((value, k) => {
    if (!isNumber(value)) return;
    const high = state.band === "sd" ? value + line.sd[k] : Math.max(line.high[k], line.low[k]);
    const low = state.band === "sd" ? value - line.sd[k] : Math.min(line.high[k], line.low[k]);
    upper.push([px(line.epochs[k]), py(high)]);
    lower.push([px(line.epochs[k]), py(py.log ? Math.max(low, py.low / 10) : low)]);
  });
  return upper.length > 1 ? pathOf([...upper, ...lower.reverse()]) + "Z" : "";
}

function stepValues(found, log) {
  const which = state.series === "train_loss" ? 2 : 1;
  const runs = found.flatMap((line) => line.group.runs).filter((run) => D.steps[run.number].length);
  return runs.flatMap((run) => decoded(D.steps[run.number][which], which === 2)).map(drawnValue(log));
}

// The points within the epochs, where the page has them.
function stepParts(group, px, py) {
  const which = state.series === "train_loss" ? 2 : 1;
  return group.runs.filter((run) => D.steps[run.number].length).map((run) => {
    const epochs = decoded(D.steps[run.number][0], false), values = decoded(D.steps[run.number][which], which === 2);
    const points = values.map(drawnValue(py.log)).map((v, k) => [px(epochs[k]), py(v)]);
    return draw("path", { class: `line steps ${colourOf(group)}`, d: pathOf(points) });
  });
}

// What the doctor found, where it found it, on lines that are few enough.
function eventParts(found, px, py) {
  const rows = new Map(found.map((line) => [line.group.number, line]));
  const parts = [];
  for (const finding of D.findings) {
    for (const [number, step, until, epoch] of finding.runs) {
      const line = rows.get(RUNS[number].group);
      if (epoch === null || !line || rows.size > 40) continue;
      const y = valueAt(line, Math.min(Math.max(epoch, line.epochs[0]), line.epochs.at(-1)));
      const text = `${finding.code} at step ${step}: ${finding.title}${until === null ? "" : " (passed)"}`;
      const x = Math.max(px(Math.max(epoch, px.low)), px(px.low));
      if (!isNumber(y)) continue;
      parts.push(draw("path", { class: "event", d: `M${x.toFixed(1)} ${(py(y) - 3).toFixed(1)}l-5 -9h10z` }, draw("title", null, `${line.group.label}: ${text}`)));
    }
  }
  return parts;
}

// Pointer and arrow keys go through lines and epochs.
function followLines({ svg, px, py, left, width, right }, found, hot, ring) {
  let line = null, at = 0;
  const show = () => {
    const k = at, x = px(line.epochs[k]), y = py(line.values[k]);
    hot.setAttribute("class", `hot on ${colourOf(line.group) === "rest" ? "ink" : colourOf(line.group)}`);
    hot.setAttribute("d", pathOf(line.values.map((v, j) => [px(line.epochs[j]), py(v)])));
    if (isNumber(y)) { ring.setAttribute("cx", x); ring.setAttribute("cy", y); ring.classList.add("on"); } else ring.classList.remove("on");
    const value = lineOf(line.group, state.series).values[k], n = line.counts[k];
    const spread = n > 1 ? ` ${PM} ${figureText(line.sd[k], "loss")} (n = ${n})` : isFinished(averaged(line.group)[0]) ? "" : " (unfinished)";
    const rows = [`epoch ${line.epochs[k]}: ${SERIES_TITLES[state.series]} ${isNumber(value) ? figureText(value, "loss") : "not finite"}${spread}`];
    showTip(svg, x * scaleOf(svg), (isNumber(y) ? y : 20) * scaleOf(svg), line.group.label, rows);
  };
  const hide = () => { hot.setAttribute("class", "hot"); ring.classList.remove("on"); hideTip(); };
  const nearest = (one, epoch) => one.epochs.reduce((best, e, k) => (Math.abs(e - epoch) < Math.abs(one.epochs[best] - epoch) ? k : best), 0);
  svg.addEventListener("pointermove", (event) => {
    const [x, y] = placeIn(svg, event);
    if (x < left - 8 || x > width - right + 8) return hide();
    const epoch = px.back(x);
    let best = Infinity;
    for (const one of found) {
      const gap = Math.abs(py(valueAt(one, Math.min(Math.max(epoch, one.epochs[0]), one.epochs.at(-1)))) - y);
      if (gap < best) { best = gap; line = one; }
    }
    if (best > 40) return hide();
    at = nearest(line, epoch);
    show();
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("click", () => { if (line) pick(line.group.number); });
  svg.setAttribute("tabindex", 0);
  svg.addEventListener("keydown", (event) => {
    const keys = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.key === "Enter" && line) return pick(line.group.number);
    if (event.key === "Escape") return hide();
    if (!keys[event.key]) return;
    event.preventDefault();
    const [along, across] = keys[event.key];
    if (!line) { line = found[0]; at = line.epochs.length - 1; }
    else if (along) at = Math.min(Math.max(at + along, 0), line.epochs.length - 1);
    else {
      const epoch = line.epochs[at];
      const ranked = [...found].sort((a, b) => (valueAt(a, epoch) || 0) - (valueAt(b, epoch) || 0));
      line = ranked[(ranked.indexOf(line) + across + ranked.length) % ranked.length];
      at = nearest(line, epoch);
    }
    show();
  });
}
