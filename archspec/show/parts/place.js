// Coordinates from the order of boxes and their sizes, by the rules of archspec/show/place.py, for a flow downwards.
const L = D.lengths, START = -1, END = -2;

function planOf(id, level) {
  const box = BOXES[id], plan = { box, level, open: box.parts.length > 0 && (!level || state.open.has(id)), parts: [] };
  if (plan.open) {
    fill(plan);
  } else {
    plan.across = box.widths[state.measure];
    plan.along = box.kind === "frame" ? L.twoRows : L.row;
    plan.axis = plan.across / 2;
  }
  return plan;
}

function fill(plan) {
  const { box, level } = plan;
  plan.parts = box.parts.map((part) => planOf(part, level + 1));
  plan.layer = [];
  box.layers.forEach((cells, k) => { for (const cell of cells) plan.layer[cell] = k; });
  widen(plan);
  const margin = level ? L.inset : 0, title = level ? box.heads[state.measure] + 2 * L.pad : 0;
  const [centres, inner] = centresOf(box, extentsOf(plan));
  let before = margin;
  plan.across = inner + 2 * margin;
  if (title > plan.across) {
    before += (title - plan.across) / 2;
    plan.across = title;
  }
  plan.centres = centres.map((c) => c + before);
  plan.start = level ? L.row : 0;
  plan.along = stack(plan);
  const leaving = box.edges.map((edge, k) => (edge[1] === END ? comesFrom(plan, k) : null)).find((c) => c !== null);
  plan.axis = leaving ?? plan.across / 2;
}

function widen(plan) {
  const widest = new Map();
  const each = (use) => plan.parts.forEach((part, k) => { if (!part.open && !isEnd(part.box)) use(part, plan.box.columns[k]); });
  each((part, column) => widest.set(column, Math.max(widest.get(column) || 0, part.across)));
  each((part, column) => { part.across = widest.get(column); part.axis = part.across / 2; });
}

function extentsOf(plan) {
  const side = plan.layer.map(() => 0);
  for (const [source, target, path, , width] of plan.box.edges) {
    for (const lane of path) side[lane] = L.small;
    if (path.length) side[path[path.length >> 1]] = Math.max(L.small, width / 2 + L.beside);
    else for (const end of [source, target]) if (end >= 0) side[end] = Math.max(side[end], width + 2 * L.beside);
  }
  return side.map((room, k) => {
    const part = plan.parts[k];
    return part ? [Math.max(part.axis, room), Math.max(part.across - part.axis, room)] : [room, room];
  });
}

function centresOf(box, extents) {
  const count = Math.max(-1, ...box.columns) + 1, before = Array(count).fill(0), after = Array(count).fill(0), apart = new Map();
  box.columns.forEach((column, cell) => {
    before[column] = Math.max(before[column], extents[cell][0]);
    after[column] = Math.max(after[column], extents[cell][1]);
  });
  for (const cells of box.layers) {
    for (let k = 1; k < cells.length; k++) {
      const a = box.columns[cells[k - 1]], b = box.columns[cells[k]], key = a * count + b;
      apart.set(key, Math.max(apart.get(key) || 0, extents[cells[k - 1]][1] + extents[cells[k]][0] + L.between));
    }
  }
  const pairs = [...apart].map(([key, distance]) => [Math.floor(key / count), key % count, distance]);
  const leftmost = settled(before, pairs);
  const room = Math.max(0, ...leftmost.map((c, k) => c + after[k]));
  const fromRight = settled(after, pairs.map(([a, b, distance]) => [b, a, distance]));
  const centres = leftmost.map((x, k) => (x + room - fromRight[k]) / 2);
  return [box.columns.map((column) => centres[column]), room];
}

function settled(least, pairs) {
  const places = [...least];
  for (let pass = 0, moved = true; moved && pass < places.length; pass++) {
    moved = false;
    for (const [a, b, distance] of pairs) {
      if (places[a] + distance > places[b]) { places[b] = places[a] + distance; moved = true; }
    }
  }
  return places;
}

function stack(plan) {
  const gaps = gapsOf(plan);
  let at = plan.start;
  plan.starts = []; plan.ends = [];
  plan.box.layers.forEach((cells, k) => {
    at += gaps[k];
    plan.starts.push(at);
    at += Math.max(0, ...cells.filter((cell) => plan.parts[cell]).map((cell) => plan.parts[cell].along));
    plan.ends.push(at);
  });
  return at + gaps[gaps.length - 1];
}

function gapsOf(plan) {
  const count = plan.box.layers.length, gaps = Array(count + 1).fill(0);
  for (const [source, target, path, text] of plan.box.edges) {
    const stops = [source, ...path, target];
    for (let k = 1; k < stops.length; k++) {
      const upper = stops[k - 1], lower = stops[k], gap = lower === END ? count : plan.layer[lower];
      const bent = upper !== START && lower !== END && Math.abs(plan.centres[upper] - plan.centres[lower]) > 0.5;
      let room = bent ? L.wideGap : (text && !path.length) || (gap > 0 && gap < count) ? L.gap : L.shortGap;
      if (upper === START && text && !path.length) room += L.small * ((portsOf(plan, lower).length - 1) >> 1);
      gaps[gap] = Math.max(gaps[gap], room);
    }
  }
  return gaps;
}

function comesFrom(plan, k) {
  const [source, , path] = plan.box.edges[k];
  return path.length ? plan.centres[path[path.length - 1]] : source === START ? null : plan.centres[source];
}

function arrivalsOf(plan) {
  const places = plan.box.edges.map(() => plan.axis), targets = new Map();
  plan.box.edges.forEach(([, target], k) => targets.set(target, [...(targets.get(target) || []), k]));
  for (const [target, edges] of targets) {
    const centre = target === END ? plan.axis : plan.centres[target];
    const came = new Map(edges.map((k) => [k, comesFrom(plan, k) ?? centre]));
    if (target === END) {
      for (const k of edges) places[k] = came.get(k);
      continue;
    }
    edges.sort((a, b) => came.get(a) - came.get(b) || a - b);
    const straight = edges.map((k, i) => (Math.abs(came.get(k) - centre) < 0.5 ? i : -1)).filter((i) => i >= 0);
    const middle = straight.length === 1 ? straight[0] : (edges.length - 1) / 2, part = plan.parts[target];
    const reach = Math.min(part.axis, part.across - part.axis) - L.beside;
    const step = Math.min(L.spread, reach / Math.max(middle, edges.length - 1 - middle, 1));
    edges.forEach((k, i) => { places[k] = centre + (i - middle) * step; });
  }
  return places;
}

// The points through which each edge of an open frame runs.
function pointsOf(plan) {
  return arrivalsOf(plan).map((arrival, k) => {
    const [source, target, path] = plan.box.edges[k], points = [];
    if (source === START) {
      points.push([path.length ? plan.centres[path[0]] : arrival, plan.start]);
    } else {
      const c = plan.centres[source], layer = plan.layer[source];
      points.push([c, plan.starts[layer] + plan.parts[source].along], [c, plan.ends[layer]]);
    }
    for (const lane of path) points.push([plan.centres[lane], plan.starts[plan.layer[lane]]], [plan.centres[lane], plan.ends[plan.layer[lane]]]);
    points.push([arrival, target === END ? plan.along : plan.starts[plan.layer[target]]]);
    return points;
  });
}

function portsOf(plan, target) {
  return plan.box.edges.map((edge, k) => (edge[0] === START && edge[1] === target && !edge[2].length && edge[3] ? k : -1)).filter((k) => k >= 0);
}

// The place of a text: below those that stand there already; null if the same text is one of them.
function freePlace([c, a, anchor], text, width, taken) {
  const long = width * L.narrow, x = c - { start: 0, middle: long / 2, end: long }[anchor];
  const level = (other) => x < other.x + other.long && other.x < x + long;
  if (taken.some((other) => other.text === text && level(other) && Math.abs(a - other.a) < 2 * L.small)) return null;
  const touches = (other) => level(other) && Math.abs(a - other.a) < L.small - 1;
  while (taken.some(touches)) a += L.small;
  taken.push({ text, x, a, long });
  return [c, a, anchor];
}

// Where the text of an edge stands: x, y of its middle, and its anchor.
function textPlace(plan, k, lines) {
  const edges = plan.box.edges, [source, target, path] = edges[k], points = lines[k];
  if (path.length) {
    const lane = path[path.length >> 1], layer = plan.layer[lane];
    return [plan.centres[lane], (plan.starts[layer] + plan.ends[layer]) / 2, "middle"];
  }
  const first = points[points.length - 2], last = points[points.length - 1], middle = (first[1] + last[1]) / 2;
  if (source === START) {
    const ports = portsOf(plan, target), i = ports.indexOf(k), half = ports.length >> 1;
    const y = middle - ((i < half ? i : ports.length - 1 - i) - ((ports.length - 1) >> 1) / 2) * L.small;
    return i < half ? [first[0] - L.beside, y, "end"] : [first[0] + L.beside, y, "start"];
  }
  const siblings = edges.map((edge, j) => (edge[0] === source && j !== k ? j : -1)).filter((j) => j >= 0);
  if (Math.abs(last[0] - first[0]) >= 0.5) {
    const fork = siblings.length > 0 && edges.filter((edge) => edge[1] === target).length === 1, after = (last[0] > first[0]) === fork, side = after ? L.beside : -L.beside;
    return [(fork ? last[0] : first[0]) + side, fork ? last[1] - L.small : first[1] + L.small * 0.7, after ? "start" : "end"];
  }
  const bends = siblings.map((j) => lines[j][2][0] - first[0]);
  edges.forEach((edge, j) => { if (edge[1] === target) bends.push(lines[j][lines[j].length - 2][0] - last[0]); });
  const crowded = Math.max(...bends) > 0.5;
  return [first[0] + (crowded ? -L.beside : L.beside), middle, crowded ? "end" : "start"];
}
