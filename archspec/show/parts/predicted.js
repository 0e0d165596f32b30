// Predicted times beside measured ones.
const ms = (value) => `${figuresText(value)} ms`;

function predictedSection() {
  const P = D.predicted;
  if (!P.length) return null;
  const host = make("div", { class: "plot" }), off = P.map(([, predicted, measured]) => Math.abs(predicted / measured - 1)).sort((a, b) => a - b);
  views.push(() => { if (host.dataset.width !== String(host.clientWidth)) drawPredicted(host, P); });
  return section("predicted", "Predicted and measured time", make("p", { class: "facts" },
    `Predicted on ${D.predictedOn}. The median error of a layer is ${percentText(off[off.length >> 1], 1)}; `
    + `all together: ${ms(P.reduce((sum, [, predicted]) => sum + predicted, 0))} predicted, ${ms(P.reduce((sum, [, , measured]) => sum + measured, 0))} measured.`), host,
  make("p", { class: "note" }, "Each point is a layer; on the line prediction and measurement agree, between the dashed ones they differ by less than 30 %."));
}

function drawPredicted(host, P) {
  const values = P.flatMap(([, predicted, measured]) => [predicted, measured]), [low, high] = spanOf(values, true);
  const plot = chart(host, "Predicted time over measured time", {
    height: 320, left: 64, x: { low, high, log: true, title: "measured, ms" }, y: { low, high, log: true, title: "predicted, ms" },
  });
  const { svg, px, py } = plot, ring = draw("circle", { class: "ring", r: 7 });
  const line = (factor, look) => draw("path", { class: look, d: pathOf([[px(low), py(Math.max(low, low * factor))], [px(high / Math.max(1, factor)), py(Math.min(high, high * factor))]]) });
  svg.append(line(1, "axis"), line(1.3, "means"), line(1 / 1.3, "means"));
  for (const [, predicted, measured] of P) svg.append(draw("circle", { class: "dot k0", cx: px(measured), cy: py(predicted), r: 4 }));
  svg.append(ring);
  const marks = P.map(([id, predicted, measured]) => ({
    x: px(measured), y: py(predicted), head: BOXES[id].path, group: id, rows: [`predicted ${ms(predicted)}`, `measured ${ms(measured)}`],
  })).sort((a, b) => a.x - b.x);
  explorable(svg, marks, ring, (id) => reveal(id));
  host.replaceChildren(svg);
  host.dataset.width = host.clientWidth;
}
