// What is shown: the state, which the address keeps, and the condition that chooses rows.
const state = {
  filter: "", figure: PRIMARY, series: D.series[0],
  colour: GROUPS.length <= 8 ? "row" : "figure", band: "sd", smooth: 0, logY: "", logX: "", cost: "", costLog: "1",
  sort: "", all: "", chosen: "", open: "",
};
const START = { ...state };
const views = [];

function readAddress() {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    if (Object.hasOwn(state, name)) state[name] = typeof state[name] === "number" ? Number(value) || 0 : value;
  }
}

function set(changes) {
  Object.assign(state, changes);
  const rest = Object.entries(state).filter(([name, value]) => String(value) !== String(START[name]));
  try {
    history.replaceState(null, "", "#" + new URLSearchParams(rest));
  } catch (problem) { /* a page in a frame keeps no address */ }
  redraw();
}

let waiting = false;

function redraw() {
  if (waiting) return;
  waiting = true;
  setTimeout(() => { waiting = false; drawAll(); }, 15);
}

function drawAll() {
  hideTip();
  const groups = shownGroups();
  for (const view of views) view(groups);
}

// The rows that the condition lets through.
function shownGroups() {
  const terms = termsOf(state.filter);
  return GROUPS.filter((group) => terms.every((term) => term(group)));
}

function termsOf(text) {
  const words = text.match(/[^\s"]+"[^"]*"|"[^"]*"|\S+/g) || [];
  return words.map((word) => comparison(word) || contains(word.replaceAll('"', "")));
}

function contains(word) {
  const wanted = word.toLowerCase();
  return (group) => `${group.label} ${group.text} ${diagnosisOf(group)}`.toLowerCase().includes(wanted);
}

const TESTS = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  "=": (a, b) => a === b, "!=": (a, b) => a !== b,
};

// `lr>=0.1`, `optimizer=adam`, `test_accuracy>0.9`; null where it is no comparison of something that is there.
function comparison(word) {
  const parts = /^([^<>=!"]+)(<=|>=|!=|=|<|>)(.+)$/.exec(word);
  const field = parts && fieldOf(parts[1].toLowerCase());
  if (!field) return null;
  const text = parts[3].replaceAll('"', ""), number = Number(text), test = TESTS[parts[2]];
  return (group) => {
    const value = field(group);
    if (value === null || value === undefined) return parts[2] === "!=";
    return typeof value === "number" ? test(value, number) : test(String(value).toLowerCase(), text.toLowerCase());
  };
}

function fieldOf(name) {
  const names = [...D.params.flatMap((param, k) => [[param.title, k], [param.key, k], [param.title.replace("vars.", ""), k]])];
  const exact = names.find(([text]) => text.toLowerCase() === name);
  if (exact) return (group) => group.values[exact[1]];
  const measure = D.measures.find((one) => one.name === name || one.title.replaceAll(" ", "_") === name);
  if (measure) return (group) => meanOf(group, measure.name);
  if (name === "n") return (group) => group.runs.length;
  const close = names.filter(([text]) => text.toLowerCase().startsWith(name));
  return new Set(close.map(([, k]) => k)).size === 1 ? (group) => group.values[close[0][1]] : null;
}

const inWords = (values) => new Set(values.split(".").filter(Boolean).map(Number));
const chosenRows = () => inWords(state.chosen);

function toggled(values, number) {
  const found = inWords(values);
  if (!found.delete(number)) found.add(number);
  return [...found].join(".");
}

// The class of a row's colour: k0 to k7 tell apart, s0 to s6 are ordered, `rest` is grey.
function colourOf(group) {
  const chosen = chosenRows();
  if (chosen.size) return chosen.has(group.number) ? `k${[...chosen].indexOf(group.number) % 8}` : "rest";
  if (state.colour === "row") return `k${group.number % 8}`;
  const scale = colourScale();
  return scale ? scale.of(group) : "k0";
}

let scaled = { key: null, scale: null };

// What colours mean where they follow a setting or the figure.
function colourScale() {
  const key = `${state.colour} ${state.figure}`;
  if (scaled.key !== key) scaled = { key, scale: newScale() };
  return scaled.scale;
}

function newScale() {
  const number = D.params.findIndex((param) => param.key === state.colour);
  const value = number < 0 ? (group) => meanOf(group, state.figure) : (group) => group.values[number];
  const numeric = number < 0 || D.params[number].numeric;
  const distinct = [...new Set(GROUPS.map(value).filter((one) => one !== null && one !== undefined))];
  if (numeric) distinct.sort((a, b) => a - b);
  if (!distinct.length) return null;
  const text = number < 0 ? (one) => figureText(one, state.figure) : valueText;
  if (!numeric) {
    const of = (group) => `k${distinct.indexOf(value(group)) % 8}`;
    return { of, entries: distinct.slice(0, 8).map((one, k) => [`k${k}`, text(one)]) };
  }
  const last = Math.max(1, distinct.length - 1);
  const level = (one) => Math.round(distinct.indexOf(one) / last * 6);
  const of = (group) => (isNumber(value(group)) ? `s${level(value(group))}` : "rest");
  const few = distinct.length <= 7 ? distinct : [0, 1, 2, 3, 4, 5, 6].map((k) => distinct[Math.round(k / 6 * last)]);
  return { of, entries: few.map((one) => [`s${level(one)}`, text(one)]) };
}
