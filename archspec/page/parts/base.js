// Elements, numbers, ticks.
const SVG = "http://www.w3.org/2000/svg";
const DASH = "\u2013", MINUS = "\u2212", TIMES = "\u00d7", PM = "\u00b1", DOTS = "\u2026";
const find = (id) => document.getElementById(id);

addEventListener("error", (event) => {
  find("problem").textContent += `The page's script failed: ${event.message} (line ${event.lineno}). `;
});

// An element. attributes: `on` and a name for a listener, `class`, others as they stand; children: nodes or texts.
function make(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function draw(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function deviation(values) {
  if (values.length < 2) return null;
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

// A few digits, as an axis shows them: 0.01, 1e-5, 2.5.
function tickText(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e4 || size < 1e-3) {
    return Number(value.toPrecision(3)).toExponential().replace("e+", "e").replace("-", MINUS);
  }
  return String(Number(value.toPrecision(6))).replace("-", MINUS);
}

const SI = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

function shortText(value) {
  for (const [size, unit] of SI) {
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))} ${unit}`;
  }
  return String(Number(value.toPrecision(3)));
}

// A figure with the digits that it has.
function figureText(value, name) {
  if (!isNumber(value)) return DASH;
  if (name === "params" || name === "macs") return shortText(value);
  if (name === "peak_memory_bytes") return `${(value / 2 ** 20).toFixed(0)} MiB`;
  if (name === "seconds") return value.toFixed(value < 100 ? 1 : 0);
  if (name === "images_per_s") return value.toFixed(0);
  return Math.abs(value) < 1e4 ? value.toFixed(4).replace("-", MINUS) : value.toExponential(2).replace("e+", "e");
}

const signed = (value, name) => (value > 0 ? "+" : "") + figureText(value, name);
const plural = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const clipped = (text, most) => (text.length > most ? text.slice(0, most - 1) + DOTS : text);

// Round places between two numbers, about `count` of them.
function ticks(low, high, count) {
  const span = high - low || Math.abs(high) || 1;
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = [1, 2, 5, 10].map((k) => k * power).find((size) => span / size <= count) || power * 10;
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

// Powers of ten, or between few of them also 2 and 5 times those.
function logTicks(low, high) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const every = Math.ceil((last - first) / 8), inner = last - first <= 2 ? [1, 2, 5] : [1];
  if (high / low < 4) return ticks(low, high, 5);
  const found = [];
  for (let k = first; k <= last; k += every) {
    for (const part of inner) {
      const value = Number(`${part}e${k}`);
      if (value >= low * 0.999 && value <= high * 1.001) found.push(value);
    }
  }
  return found.length > 1 ? found : [low, high];
}

// As a POSIX shell reads it back.
const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`);
