// Live memory over a step, kernel by kernel.
const PHASES = { forward: "forward", backward: "backward", optimizer: "update" };

function timelineSection() {
  const T = D.timeline;
  if (!T?.live.length) return null;
  const host = make("div", { class: "plot" }), peak = T.live.indexOf(Math.max(...T.live));
  views.push(() => { if (host.dataset.width !== String(host.clientWidth)) drawTimeline(host, T, peak); });
  const layer = layerOf(T, peak), parts = Object.entries(T.parts).filter(([, size]) => size).map(([name, size]) => `${name} ${bytesText(size)}`).join(", ");
  return section("timeline", "Memory", make("p", { class: "facts" },
    `Peak ${bytesText(T.live[peak])} at ${layer} (${T.names[T.kernels[peak]]}, ${phaseAt(T, peak)}). All the time: ${parts}.`), host,
  make("p", { class: "note" }, `Live bytes of tensors after each kernel of ${T.training ? "a training step" : "a forward pass"}, simulated from the graph. `
    + "Pointer and arrow keys show the kernels; a click shows the layer in the diagram."));
}

const layerOf = (T, k) => (T.layers[k] >= 0 ? BOXES[T.layers[k]].path : "loss and optimizer");
const phaseAt = (T, k) => PHASES[T.phases.filter(([start]) => start <= k).pop()[1]];

function drawTimeline(host, T, peak) {
  const last = T.live.length - 1, top = T.live[peak], unit = 1024 ** Math.max(0, Math.floor(Math.log2(top) / 10 - 0.2));
  const name = ["B", "KiB", "MiB", "GiB", "TiB"][Math.round(Math.log2(unit) / 10)];
  const values = ticks(0, top / unit * 1.08, 5).map((value) => [value * unit, `${value} ${name}`]);
  const plot = chart(host, "Live memory over the kernels of a step", {
    height: 230, left: 74, x: { low: 0, high: last || 1, title: "kernel" }, y: { low: 0, high: top * 1.08, ticks: values },
  });
  const { svg, px, py } = plot, fixed = Object.values(T.parts).reduce((sum, size) => sum + size, 0);
  const points = T.live.map((size, k) => [px(k), py(size)]);
  svg.append(
    draw("path", { class: "area", d: `M${px(0)} ${py(0)}L${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}L${px(last)} ${py(0)}Z` }),
    draw("rect", { class: "fixed", x: px(0), y: py(fixed), width: Math.max(0, px(last) - px(0)), height: py(0) - py(fixed) }),
    draw("path", { class: "line", d: pathOf(points) }),
    draw("circle", { class: "event", cx: px(peak), cy: py(top), r: 4 }),
    draw("text", { class: "halo", x: Math.min(px(peak) + 7, plot.width - 90), y: py(top) - 5 }, `peak ${bytesText(top)}`),
  );
  T.phases.forEach(([start, direction]) => {
    if (start) svg.append(draw("path", { class: "axis", "stroke-dasharray": "3 3", d: `M${px(start).toFixed(1)} ${plot.top}V${plot.height - plot.bottom}` }));
    svg.append(draw("text", { class: "halo", x: px(start) + 4, y: plot.height - plot.bottom - 5 }, direction === "optimizer" ? "" : PHASES[direction]));
  });
  const ring = draw("circle", { class: "ring", r: 5 });
  svg.append(ring);
  const marks = T.live.map((size, k) => ({
    x: points[k][0], y: points[k][1], head: `${bytesText(size)} after kernel ${k + 1}`, rows: [layerOf(T, k), `${T.names[T.kernels[k]]}, ${phaseAt(T, k)}`], group: T.layers[k],
  }));
  walkable(svg, marks, ring);
  host.replaceChildren(svg);
  host.dataset.width = host.clientWidth;
}

// Like explorable, but the mark is that of the pointer's column.
function walkable(svg, marks, ring) {
  let current = 0;
  const show = (k) => {
    current = Math.max(0, Math.min(marks.length - 1, k));
    const mark = marks[current];
    ring.setAttribute("cx", mark.x);
    ring.setAttribute("cy", mark.y);
    ring.classList.add("on");
    showTip(svg, mark.x * scaleOf(svg), mark.y * scaleOf(svg), mark.head, mark.rows);
  };
  const hide = () => { ring.classList.remove("on"); hideTip(); };
  svg.setAttribute("tabindex", 0);
  svg.addEventListener("pointermove", (event) => {
    const x = placeIn(svg, event)[0], span = marks[marks.length - 1].x - marks[0].x || 1;
    show(Math.round((x - marks[0].x) / span * (marks.length - 1)));
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("click", () => { if (marks[current].group > 0) reveal(marks[current].group); });
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, PageUp: -20, PageDown: 20 }[event.key];
    if (step) show(current + step);
    else if (event.key === "Home") show(0);
    else if (event.key === "End") show(marks.length - 1);
    else if (event.key === "Enter" && marks[current].group > 0) reveal(marks[current].group);
    else if (event.key === "Escape") hide();
    else return;
    event.preventDefault();
  });
}
