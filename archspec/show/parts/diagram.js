// The diagram: boxes that open and close, with the shade of their cost.
let elements = new Map(), drawn = [], largest = 0;
const elementOf = (id) => elements.get(id);

function diagramSection() {
  const host = make("div", { class: "scroll net", id: "net", tabindex: -1 }), legend = make("div", { class: "legend" });
  views.push(() => {
    const plan = planOf(0, 0), width = Math.ceil(plan.across) + 16, height = Math.ceil(plan.along) + 16;
    const focused = host.contains(document.activeElement);
    elements = new Map();
    drawn = [];
    largest = largestOf(plan);
    const svg = draw("svg", {
      viewBox: `-4 -4 ${width} ${height}`, width, height, role: "tree", "aria-label": `${D.title}: diagram`, class: "diagram",
    }, insideOf(plan, 0, 0));
    host.replaceChildren(svg);
    legend.replaceChildren(...legendOf());
    if (!elements.has(state.current)) state.current = ancestors(state.current).find((id) => elements.has(id)) ?? drawn[0];
    elements.get(state.current).setAttribute("tabindex", 0);
    if (focused) elements.get(state.current).focus({ preventScroll: true });
    mark();
  });
  host.addEventListener("pointerover", (event) => hover(idAt(event)));
  host.addEventListener("pointerleave", () => hover(-1));
  host.addEventListener("click", (event) => {
    const id = idAt(event);
    if (id > 0 && BOXES[id].parts.length) toggle(id);
  });
  host.addEventListener("focusin", (event) => hover(idAt(event)));
  host.addEventListener("focusout", () => hover(-1));
  host.addEventListener("keydown", onKey);
  return section("diagram", "Diagram", legend, host, make("p", { class: "note" },
    "A click or Enter opens and closes a box. Arrow keys go through the boxes: left closes or goes out, right opens or goes in. "
    + `${TIMES}N stands for N equal copies, whose costs are added.`));
}

const idAt = (event) => Number(event.target.closest?.("[data-box]")?.dataset.box ?? -1);

function largestOf(plan) {
  if (plan.open) return Math.max(0, ...plan.parts.map(largestOf));
  return figureOf(plan.box, state.measure);
}

function shadeOf(plan) {
  if (plan.open || !largest || isEnd(plan.box)) return 0;
  return Math.min(L.shades, Math.ceil(L.shades * Math.sqrt(figureOf(plan.box, state.measure) / largest) - 1e-9));
}

// What is in an open frame whose corner is at (x, y).
function insideOf(plan, x, y) {
  const lines = pointsOf(plan), texts = [], taken = [];
  const edges = lines.map((points, k) => draw("path", { class: "edge", d: lineOf(points.map(([c, a]) => [c + x, a + y]), plan.box.edges[k][1] !== END) }));
  const tips = lines.map((points, k) => {
    const [c, a] = points[points.length - 1];
    return plan.box.edges[k][1] === END ? "" : `M${(c + x).toFixed(1)} ${(a + y).toFixed(1)}l-3 -6h6z`;
  }).join("");
  plan.box.edges.forEach(([, , path, text, width], k) => {
    if (!text) return;
    const place = freePlace(textPlace(plan, k, lines), text, width, taken);
    if (!place) return;
    const [c, a, anchor] = place;
    if (path.length) texts.push(draw("rect", { class: "page", x: c + x - width / 2, y: a + y - L.small / 2, width, height: L.small }));
    texts.push(draw("text", { class: "shape", x: c + x, y: a + y + L.small * 0.35, "text-anchor": anchor, "font-size": L.small }, text));
  });
  const parts = plan.parts.map((part, k) => boxOf(part, x + plan.centres[k] - part.axis, y + plan.starts[plan.layer[k]]));
  return [...edges, draw("path", { class: "tip", d: tips }), ...parts, ...texts];
}

function lineOf(points, tip) {
  const ends = points.map(([c, a], k) => (tip && k === points.length - 1 ? [c, a - 4] : [c, a]));
  let text = `M${ends[0][0].toFixed(1)} ${ends[0][1].toFixed(1)}`;
  for (let k = 1; k < ends.length; k++) {
    const [[x, y], [toX, toY]] = [ends[k - 1], ends[k]], middle = (y + toY) / 2;
    text += Math.abs(toX - x) < 0.05 ? `V${toY.toFixed(1)}`
      : `C${[x, middle, toX, middle, toX, toY].map((v) => v.toFixed(1)).join(" ")}`;
  }
  return text;
}

function boxOf(plan, x, y) {
  const { box } = plan, shade = shadeOf(plan), ink = shade >= L.darkShade ? "over" : "ink";
  const look = `${plan.open ? "page" : `s${shade}`} rim`, corner = isEnd(box) ? L.row / 2 : 4;
  const size = { width: plan.across, height: plan.along, rx: corner };
  const sheets = (box.count > 1 ? L.stacked : []).map((offset) => draw("rect", { x: x + offset, y: y + offset, ...size, class: look }));
  const [head, rows] = aboutBox(box);
  const group = draw("g", {
    "data-box": box.id, role: "treeitem", tabindex: -1, "aria-label": `${head}: ${rows.join(", ")}`, "aria-level": plan.level,
    "aria-expanded": box.parts.length ? String(plan.open) : null, class: box.parts.length ? "box frame" : "box",
  }, sheets, draw("rect", { x, y, ...size, class: `${look} body` }));
  elements.set(box.id, group);
  drawn.push(box.id);
  if (plan.open) group.append(...shareOf(plan, x, y));
  else if (box.kind === "frame") group.append(draw("text", { x: x + L.pad, y: y + L.row + 6, "font-size": L.small, class: `${ink} soft` }, box.summary));
  group.append(...titleOf(plan, x, y, ink));
  if (plan.open) group.append(...insideOf(plan, x, y));
  return group;
}

const CLASSES = { strong: "b", times: "b", faint: "soft", plain: null };

function titleOf(plan, x, y, ink) {
  const { box } = plan, middle = isEnd(box), base = y + L.row / 2 + L.size * 0.36;
  const words = box.title.map(([text, look], k) => draw("tspan", { class: CLASSES[look], dx: k ? L.space : null }, text));
  const title = draw("text", {
    x: middle ? x + plan.across / 2 : x + L.pad, y: base, "font-size": L.size, class: ink, "text-anchor": middle ? "middle" : null,
  }, words);
  const cost = costText(figureOf(box, state.measure), MEASURES[state.measure].key);
  return cost ? [title, draw("text", { x: x + plan.across - L.pad, y: base, "font-size": L.small, class: `${ink} soft`, "text-anchor": "end" }, cost)] : [title];
}

function shareOf(plan, x, y) {
  const whole = figureOf(BOXES[0], state.measure), share = whole ? Math.min(1, figureOf(plan.box, state.measure) / whole) : 0;
  const bar = (width, look) => draw("rect", { x, y: y + L.row - 3, width, height: 3, class: look });
  return [bar(plan.across, "s1"), share > 0 && bar(plan.across * share, "s6")].filter(Boolean);
}

function legendOf() {
  if (!largest) return [make("span", { class: "note" }, "no cost")];
  const swatches = Array.from({ length: L.shades + 1 }, (_, k) => draw("rect", { x: k * 16, y: 1, width: 16, height: 11, class: `s${k} rim` }));
  const { key, title } = MEASURES[state.measure], text = (k) => costText(largest * (k / L.shades) ** 2, key) || "0";
  return [
    make("span", null, `${title} per box:`), make("span", null, text(0)),
    draw("svg", { width: 16 * (L.shades + 1) + 2, height: 13, "aria-hidden": "true" }, swatches), make("span", null, text(L.shades)),
  ];
}

// Grey out what does not match the search, and mark the row and the box under the pointer.
function mark() {
  const found = matches(), shown = new Set();
  if (found) for (const id of found) for (const up of [id, ...ancestors(id)]) shown.add(up);
  for (const [id, element] of elements) {
    element.classList.toggle("found", Boolean(found?.has(id) || (found && !state.open.has(id) && shown.has(id) && BOXES[id].parts.length)));
    element.classList.toggle("dim", Boolean(found && !shown.has(id)));
  }
}

let hovered = -1;
function hover(id) {
  if (id === hovered) return;
  hovered = id;
  for (const one of document.querySelectorAll(".box.on, tr.on")) one.classList.remove("on");
  if (id <= 0) { hideTip(); return; }
  const element = elements.get(id), [head, rows] = aboutBox(BOXES[id]);
  element?.classList.add("on");
  document.getElementById(`row${id}`)?.classList.add("on");
  if (element) {
    const place = element.querySelector(".body").getBoundingClientRect(), at = find("net").getBoundingClientRect();
    showTip(find("net"), Math.min(place.right, at.right) - at.left, place.top - at.top + 30, head, rows);
  }
}

function onKey(event) {
  const id = idAt(event), at = drawn.indexOf(id), box = BOXES[id];
  if (at < 0) return;
  const go = (to) => { if (to !== undefined && to > 0) { elements.get(id).setAttribute("tabindex", -1); state.current = to; elements.get(to).setAttribute("tabindex", 0); elements.get(to).focus(); } };
  const open = state.open.has(id), frame = box.parts.length > 0;
  const actions = {
    ArrowDown: () => go(drawn[at + 1]), ArrowUp: () => go(drawn[at - 1]), Home: () => go(drawn[0]), End: () => go(drawn[drawn.length - 1]),
    ArrowRight: () => (frame && !open ? toggle(id) : frame && go(drawn[at + 1])),
    ArrowLeft: () => (frame && open ? toggle(id) : go(box.parent)), Enter: () => frame && toggle(id), " ": () => frame && toggle(id),
    Escape: () => hover(-1),
  };
  if (!actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
}
