// Axes, tips, and keys: what all charts share.
const tip = make("div", { id: "tip", "aria-hidden": "true" });
const spoken = make("p", { class: "unseen", "aria-live": "polite" });

function showTip(box, x, y, head, rows) {
  tip.replaceChildren(make("b", null, head), ...rows.map((row) => make("div", null, row)));
  tip.className = "on";
  const place = box.getBoundingClientRect(), width = tip.offsetWidth, height = tip.offsetHeight;
  const left = place.left + x + 14 + width > innerWidth - 8 ? place.left + x - width - 14 : place.left + x + 14;
  tip.style.left = `${Math.max(4, left) + scrollX}px`;
  tip.style.top = `${Math.max(4, place.top + y - height - 10) + scrollY}px`;
  const text = [head, ...rows].join(", ");
  if (document.activeElement === box) spoken.textContent = text;
}

function hideTip() { tip.className = ""; }

// An axis from low to high: value to pixel. log: powers of ten.
function axis(low, high, from, to, log) {
  const at = log ? Math.log10 : (value) => value;
  const a = at(low), span = at(high) - a || 1;
  const place = (value) => from + (at(value) - a) / span * (to - from);
  place.back = (pixel) => { const v = a + (pixel - from) / (to - from) * span; return log ? 10 ** v : v; };
  place.low = low; place.high = high; place.log = log;
  return place;
}

// Low and high with a margin, never equal.
function spanOf(values, log, margin = 0.05) {
  const finite = values.filter((value) => isNumber(value) && (!log || value > 0));
  if (!finite.length) return log ? [0.1, 1] : [0, 1];
  let low = Infinity, high = -Infinity;
  for (const value of finite) { if (value < low) low = value; if (value > high) high = value; }
  if (log) {
    const factor = (high / low) ** margin;
    return factor > 1.001 ? [low / factor, high * factor] : [low / 1.5, high * 1.5];
  }
  const room = (high - low) * margin || Math.abs(high) * 0.05 || 0.5;
  return [low - room, high + room];
}

// An empty chart: svg, scales, axes. x, y: {low, high, log, title, ticks: [[value, text]]}.
function chart(host, name, { height, x, y, left = 54, right = 10, top = 8, bottom = 38 }) {
  const width = Math.max(200, host.clientWidth || 640);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": name, class: "chart" });
  const px = axis(x.low, x.high, left, width - right, x.log), py = axis(y.low, y.high, height - bottom, top, y.log);
  const yTicks = y.ticks || (y.log ? logTicks(y.low, y.high) : ticks(y.low, y.high, Math.max(3, height / 45))).map((v) => [v, tickText(v)]);
  const room = (width - left - right) / (x.log ? 60 : 70);
  const xTicks = x.ticks || (x.log ? logTicks(x.low, x.high) : ticks(x.low, x.high, Math.max(2, Math.min(11, room)))).map((v) => [v, tickText(v)]);
  for (const [value, text] of yTicks) {
    svg.append(
      draw("path", { class: "grid", d: `M${left} ${py(value).toFixed(1)}H${width - right}` }),
      draw("text", { x: left - 6, y: py(value) + 4, "text-anchor": "end" }, text),
    );
  }
  let taken = -Infinity;
  for (const [value, text] of xTicks) {
    const half = text.length * 3.4, middle = Math.min(px(value), width - half - 1);
    svg.append(draw("path", { class: "grid", d: `M${px(value).toFixed(1)} ${top}V${height - bottom}` }));
    if (middle - half < taken) continue;
    svg.append(draw("text", { x: middle, y: height - bottom + 16, "text-anchor": "middle" }, text));
    taken = middle + half + 5;
  }
  svg.append(draw("path", { class: "axis", d: `M${left} ${top}V${height - bottom}H${width - right}` }));
  if (x.title) svg.append(draw("text", { class: "title", x: (left + width - right) / 2, y: height - 5, "text-anchor": "middle" }, x.title));
  if (y.title) {
    const middle = (top + height - bottom) / 2;
    svg.append(draw("text", { class: "title", transform: `translate(12 ${middle}) rotate(-90)`, "text-anchor": "middle" }, y.title));
  }
  return { svg, px, py, width, height, left, right, top, bottom };
}

// Pieces of a path without gaps where a value is not finite.
function pathOf(points) {
  let text = "", pen = "M";
  for (const [x, y] of points) {
    if (!isNumber(x) || !isNumber(y)) { pen = "M"; continue; }
    text += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  }
  return text;
}

// Marks that pointer and arrow keys go through. marks: {x, y, head, rows, group} in the order of the keys.
function explorable(svg, marks, ring, onPick) {
  let current = -1;
  const show = (k) => {
    current = k;
    const mark = marks[k];
    ring.setAttribute("cx", mark.x);
    ring.setAttribute("cy", mark.y);
    ring.classList.add("on");
    showTip(svg, mark.x * scaleOf(svg), mark.y * scaleOf(svg), mark.head, mark.rows);
  };
  const hide = () => { ring.classList.remove("on"); hideTip(); };
  svg.addEventListener("pointermove", (event) => {
    const [x, y] = placeIn(svg, event);
    const near = marks.map((mark, k) => [(mark.x - x) ** 2 + (mark.y - y) ** 2, k]).sort((a, b) => a[0] - b[0])[0];
    if (near && near[0] < 1600) show(near[1]); else hide();
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("click", () => { if (current >= 0) onPick(marks[current].group); });
  if (!marks.length) return;
  svg.setAttribute("tabindex", 0);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (step) show((current + step + marks.length) % marks.length);
    else if (event.key === "Enter" && current >= 0) onPick(marks[current].group);
    else if (event.key === "Escape") hide();
    else return;
    event.preventDefault();
  });
}

const scaleOf = (svg) => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width || 1;

function placeIn(svg, event) {
  const box = svg.getBoundingClientRect(), scale = scaleOf(svg);
  return [(event.clientX - box.left) / scale, (event.clientY - box.top) / scale];
}

function choice(label, value, options, onPick) {
  const select = make("select", { onchange: (event) => onPick(event.target.value) },
    options.map(([key, text]) => make("option", { value: key, selected: key === value }, text)));
  return make("label", null, label, " ", select);
}

function tick(label, value, onPick) {
  return make("label", null, make("input", { type: "checkbox", checked: value, onchange: (event) => onPick(event.target.checked) }), " ", label);
}
