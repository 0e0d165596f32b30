// The runs, and what can be computed of them.
const D = JSON.parse(find("data").textContent);
const CODES = Array.from({ length: 92 }, (_, k) => String.fromCharCode(0x23 + k)).filter((c) => c !== "\\" && c !== "<");
const CODE = new Map(CODES.map((character, k) => [character, k]));
const TOP = CODES.length ** 2 - 1;
const MEASURE = new Map(D.measures.map((measure) => [measure.name, measure]));
const isShare = (name) => D.shares.some((metric) => name.endsWith(metric)); // a metric whose best value is 1
const PRIMARY = D.measure;
const SPLIT = D.split;
const SERIES_TITLES = { // the metric and the loss, evaluated and in training
  [D.series[0]]: `${SPLIT} ${D.metric}`, [D.series[1]]: `${SPLIT} loss`,
  [D.series[2]]: `train ${D.metric}`, [D.series[3]]: "train loss",
};

const RUNS = D.runs.group.map((group, k) => ({
  number: k, group, seed: D.runs.seed[k], status: D.runs.status[k], epochs: D.runs.epochs[k],
  path: [D.folder === "." ? "" : D.folder, D.runs.path[k]].filter(Boolean).join("/").replace("//", "/"),
  diagnosis: D.runs.diagnosis.texts[D.runs.diagnosis.of[k]], options: D.runs.options.texts[D.runs.options.of[k]],
  processes: D.runs.processes[k] || 1, figures: (name) => D.runs.figures[name] && D.runs.figures[name][k],
}));

const GROUPS = D.groups.map((group, k) => ({ ...group, number: k, runs: [], stats: new Map() }));
for (const run of RUNS) GROUPS[run.group].runs.push(run);
for (const group of GROUPS) group.label = labelOf(group);

function labelOf(group) {
  if (D.named !== null) return valueText(group.values[D.named]); // each row has a recipe of its own
  const parts = D.params.map((param, k) => {
    const text = valueText(group.values[k]);
    return ["network", "path"].includes(param.key) ? text : `${param.title} ${text}`;
  });
  return parts.join(", ") || "all runs";
}

function valueText(value) {
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  return size >= 1e-4 && size < 1e7 || value === 0 ? String(Number(value.toPrecision(6))) : tickText(value);
}

// Mean, deviation, lowest and highest of a figure over a group's runs; null where none has it.
function statOf(group, name) {
  if (!group.stats.has(name)) {
    const values = group.runs.map((run) => run.figures(name)).filter(isNumber);
    group.stats.set(name, values.length ? {
      mean: mean(values), sd: deviation(values), n: values.length, low: Math.min(...values), high: Math.max(...values),
    } : null);
  }
  return group.stats.get(name);
}

const meanOf = (group, name) => { const stat = statOf(group, name); return stat && stat.mean; };

function statText(group, name) {
  const stat = statOf(group, name);
  if (!stat) return DASH;
  return figureText(stat.mean, name) + (stat.sd === null || ["params", "macs"].includes(name) ? "" : ` ${PM} ${figureText(stat.sd, name)}`);
}

const finishedText = (group) => {
  const done = group.runs.filter((run) => run.status === "finished").length;
  return done === group.runs.length ? String(done) : `${done} of ${group.runs.length}`;
};

function diagnosisOf(group) {
  const counts = new Map();
  for (const run of group.runs) if (run.diagnosis) counts.set(run.diagnosis, (counts.get(run.diagnosis) || 0) + 1);
  const n = group.runs.length;
  return [...counts].map(([text, count]) => text + (count < n ? ` (${count} of ${n})` : "")).join("; ");
}

function decoded([low, high, text], log) {
  const spaced = log && low > 0, values = [];
  for (let k = 0; k < text.length; k += 2) {
    const level = CODE.get(text[k]) * CODES.length + CODE.get(text[k + 1]);
    const share = level / (TOP - 1);
    values.push(level === TOP ? NaN : spaced ? low * (high / low) ** share : low + share * (high - low));
  }
  return values;
}

const curves = new Map();

// Epochs and values of a run's series, thinned.
function curveOf(run, series) {
  const key = `${run.number} ${series}`, data = D.curves[run.number];
  if (!data.length) return { epochs: [], values: [] };
  if (!curves.has(key)) {
    const epochs = [...D.grids[data[0]]];
    if (data[1] >= 0) epochs[data[1]] = data[2];
    curves.set(key, { epochs, values: decoded(data[3 + D.series.indexOf(series)], series.endsWith("loss")) });
  }
  return curves.get(key);
}

// The value at an epoch, between two points by a straight line; NaN beyond the ends.
function valueAt({ epochs, values }, epoch) {
  let low = 0, high = epochs.length - 1;
  if (high < 0 || epoch < epochs[0] || epoch > epochs[high]) return NaN;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (epochs[middle] <= epoch) low = middle; else high = middle;
  }
  if (epoch === epochs[low]) return values[low];
  const share = (epoch - epochs[low]) / (epochs[high] - epochs[low]);
  return share === 1 ? values[high] : values[low] + share * (values[high] - values[low]);
}

const lines = new Map();

const isFinished = (run) => run.status === "finished";

// The runs that a group's line is the mean of: those that came to their end; where none did, the one that came farthest.
function averaged(group) {
  const done = group.runs.filter(isFinished);
  return done.length ? done : [...group.runs].sort((a, b) => b.epochs - a.epochs).slice(0, 1);
}

// The mean over these runs, with deviation, lowest and highest, at each epoch that one of them has.
function lineOf(group, series) {
  const key = `${group.number} ${series}`;
  if (!lines.has(key)) {
    const all = averaged(group).map((run) => curveOf(run, series));
    const epochs = [...new Set(all.flatMap((one) => one.epochs))].sort((a, b) => a - b);
    const line = { epochs, values: [], counts: [], sd: [], low: [], high: [] };
    for (const epoch of epochs) {
      const found = all.map((one) => valueAt(one, epoch)).filter(isNumber);
      line.values.push(found.length ? mean(found) : NaN);
      line.counts.push(found.length);
      line.sd.push(deviation(found) || 0);
      line.low.push(found.length ? Math.min(...found) : NaN);
      line.high.push(found.length ? Math.max(...found) : NaN);
    }
    lines.set(key, line);
  }
  return lines.get(key);
}

// The command that repeats a run: its folder's spec holds recipe and seed.
function commandOf(run) {
  const program = run.processes > 1 ? `torchrun --nproc-per-node=${run.processes} -m archspec` : "archspec";
  return `${program} train ${quoted(`${run.path}/spec.yaml`)} ${run.options}`.trim();
}
