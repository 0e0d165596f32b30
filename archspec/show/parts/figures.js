// The network's boxes, and its figures as text.
const D = JSON.parse(find("data").textContent);
const BOXES = D.boxes.map((box, id) => ({
  id, kind: "op", name: "", label: "", detail: "", written: "", shape: "", note: "", count: 1, copies: 1, figures: [], title: [], widths: [],
  heads: [], summary: "", parts: [], layers: [], columns: [], edges: [], ...box, parent: -1,
}));
for (const box of BOXES) for (const part of box.parts) BOXES[part].parent = box.id;
const MEASURES = D.measures.map(([key, title], index) => ({ key, title, index }));
const OPS = BOXES.filter((box) => box.kind === "op");
const isEnd = (box) => box.kind === "input" || box.kind === "output";
const figureOf = (box, index) => box.figures[index] || 0;

const scaled = (value, base, units) => {
  let power = 0;
  while (power + 1 < units.length && Number((value / base ** power).toFixed(2)) >= base) power++;
  return power ? `${(value / base ** power).toFixed(2)} ${units[power]}` : `${Number(value.toPrecision(12))}${units[0] && " " + units[0]}`;
};
const countText = (value) => scaled(value, 1000, ["", "k", "M", "G", "T", "P", "E"]);
const bytesText = (value) => scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
const percentText = (part, whole) => (whole ? `${(100 * part / whole).toFixed(1)} %` : "");

// Three significant digits at least: 0.0512, 1.33, 7,832.
function figuresText(value) {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Number(value.toPrecision(3)))));
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

// As the SVG has it: nothing for no cost.
function costText(value, key) {
  if (!value) return "";
  if (key === "time" || key === "measured") return `${figuresText(value)} ms`;
  return key === "params" || key === "macs" ? countText(value) : bytesText(value);
}

function ancestors(id) {
  const found = [];
  for (let up = BOXES[id].parent; up > 0; up = BOXES[up].parent) found.push(up);
  return found;
}

const levelOf = (id) => ancestors(id).length + 1;

// What is said of a box when it is hovered over or focused.
function aboutBox(box) {
  const rows = [box.written || box.label, `output ${box.shape}`];
  for (const { key, title, index } of MEASURES) {
    const value = figureOf(box, index);
    if (value) rows.push(`${costText(value, key)} ${title} (${percentText(value, figureOf(BOXES[0], index))})`);
  }
  if (box.note) rows.push(box.note);
  return [box.path + (box.copies > 1 ? ` ${TIMES}${box.copies}` : ""), rows.filter(Boolean)];
}
