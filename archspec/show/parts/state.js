// What is open, coloured, sorted, searched and chosen; it is in the address, so that a link shows the same.
const state = {
  open: new Set(), measure: MEASURES.findIndex((one) => one.key === D.measure), sort: "", search: "", current: 0,
};
const views = []; // functions that draw
const drawAll = () => { for (const view of views) view(); };

function openTo(depth) {
  state.open = new Set(BOXES.filter((box) => box.id && box.parts.length && levelOf(box.id) <= depth).map((box) => box.id));
}

function set(changes) {
  Object.assign(state, changes);
  writeAddress();
  drawAll();
}

function toggle(id) {
  const open = new Set(state.open);
  if (!open.delete(id)) open.add(id);
  set({ open, current: id });
}

// Open everything around a box and make it the current one.
function reveal(id) {
  set({ open: new Set([...state.open, ...ancestors(id)]), current: id });
  const element = elementOf(id);
  if (!element) return;
  element.scrollIntoView({ block: "center", inline: "center" });
  element.focus({ preventScroll: true });
}

// Boxes that match the search: all its words are in their path, op or note.
function matches() {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return null;
  const text = (box) => `${box.path} ${box.label} ${box.written} ${box.detail} ${box.shape} ${box.note}`.toLowerCase();
  return new Set(BOXES.filter((box) => box.id && words.every((word) => text(box).includes(word))).map((box) => box.id));
}

function writeAddress() {
  const parts = { color: MEASURES[state.measure].key, open: [...state.open].join("."), sort: state.sort, search: state.search };
  const text = Object.entries(parts).filter(([key, value]) => value !== "" || key === "open").map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&");
  try { history.replaceState(null, "", `#${text}`); } catch { /* a page in a frame may not change its address */ }
}

function readAddress() {
  openTo(D.depth);
  const parts = new Map(location.hash.slice(1).split("&").map((part) => part.split("=")));
  const plain = (key) => { try { return decodeURIComponent(parts.get(key) || ""); } catch { return ""; } };
  const measure = MEASURES.findIndex((one) => one.key === plain("color"));
  if (measure >= 0) state.measure = measure;
  if (parts.has("open")) state.open = new Set(plain("open").split(".").map(Number).filter((id) => BOXES[id] && id && BOXES[id].parts.length));
  state.sort = plain("sort");
  state.search = plain("search");
}
