// Layers as points under a machine's roof (Williams, Waterman & Patterson 2009).
const roofState = { machine: 0 };

function rooflineSection() {
  const R = D.roofline;
  if (!R?.points.length || !R.machines.length) return null;
  const host = make("div", { class: "plot" }), verdict = make("p", { class: "facts", "aria-live": "polite" });
  const redraw = () => drawRoofline(host, verdict, R);
  views.push(() => { if (host.dataset.width !== String(host.clientWidth)) redraw(); });
  const controls = make("div", { class: "controls" }, choice("Machine", 0, R.machines.map(([name], k) => [k, name]), (value) => { roofState.machine = Number(value); redraw(); }));
  return section("roofline", "Roofline", controls, verdict, host, make("p", { class: "note" },
    `Each point is a layer: floating-point operations per byte that its kernels read and write, in ${R.precision}. `
    + `${D.predictedOn ? `On ${D.predictedOn} its height is the speed of its predicted time. Elsewhere it` : "It"} is drawn as high as the roof allows. `
    + "Left of the ridge the memory's bandwidth is the limit, right of it the arithmetic. A click shows the layer in the diagram."));
}

function drawRoofline(host, verdict, R) {
  const [name, peak, bandwidth] = R.machines[roofState.machine], ridge = peak / bandwidth;
  const roof = (intensity) => Math.min(peak, intensity * bandwidth), time = name === D.predictedOn && MEASURES.find(({ key }) => key === "time");
  const points = R.points.map(([id, flops, bytes]) => {
    const ms = time && figureOf(BOXES[id], time.index), intensity = flops / bytes;
    return { id, flops, bytes, intensity, speed: ms ? flops / ms * 1000 : roof(intensity) };
  });
  const bound = points.filter((point) => point.intensity < ridge), moved = (list) => list.reduce((sum, point) => sum + point.bytes, 0);
  const work = (list) => list.reduce((sum, point) => sum + point.flops, 0);
  verdict.textContent = `On ${name} ${bound.length} of ${plural(points.length, "layer")} are bound by bandwidth: they have ${percentText(work(bound), work(points))} of the operations `
    + `and move ${percentText(moved(bound), moved(points))} of the bytes. The ridge is at ${Number(ridge.toPrecision(3))} FLOPs per byte.`;
  const [low, high] = spanOf([...points.map((point) => point.intensity), ridge / 2, ridge * 4], true);
  const most = Math.max(peak, ...points.map((point) => point.speed)) * 1.6, least = Math.min(roof(low), ...points.map((point) => point.speed)) / 1.3;
  const speeds = logTicks(least, most).map((value) => [value, `${countText(value).replace(".00", "")}FLOP/s`]);
  const plot = chart(host, `Roofline of ${name}`, {
    height: 300, left: 88, x: { low, high, log: true, title: "FLOPs per byte" }, y: { low: least, high: most, log: true, ticks: speeds },
  });
  const { svg, px, py } = plot, ring = draw("circle", { class: "ring", r: 7 }), biggest = Math.max(...points.map((point) => point.flops));
  svg.append(draw("path", { class: "line roof", d: pathOf([[px(low), py(roof(low))], [px(ridge), py(peak)], [px(high), py(peak)]]) }));
  const sizeOf = (point) => 3 + 5 * Math.sqrt(point.flops / biggest);
  points.sort((a, b) => b.flops - a.flops);
  for (const point of points) {
    svg.append(draw("circle", { class: `dot ${point.intensity < ridge ? "k1" : "k0"}`, cx: px(point.intensity), cy: py(point.speed), r: sizeOf(point).toFixed(1) }));
  }
  svg.append(ring);
  const marks = [...points].sort((a, b) => a.intensity - b.intensity).map((point) => ({
    x: px(point.intensity), y: py(point.speed), head: BOXES[point.id].path, group: point.id,
    rows: [`${BOXES[point.id].label} ${BOXES[point.id].detail}`, `${Number(point.intensity.toPrecision(3))} FLOPs per byte`, `${countText(point.flops)}FLOPs, ${bytesText(point.bytes)}`,
      point.intensity < ridge ? "bound by bandwidth" : "bound by arithmetic"],
  }));
  explorable(svg, marks, ring, (id) => reveal(id));
  host.replaceChildren(svg);
  host.dataset.width = host.clientWidth;
}
