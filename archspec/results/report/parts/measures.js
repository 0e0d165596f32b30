// What a report draws of its measures.

// The same of a figure: a share, as an accuracy, ends at 1, and nothing that is counted is below 0.
function figureSpan(name, values, log) {
  const [low, high] = spanOf(values, log), real = values.filter(isNumber);
  if (log) return [low, high];
  const least = real.some((value) => value < 0) ? low : Math.max(low, 0);
  return [least, isShare(name) ? Math.min(high, 1.004) : high];
}

const pick = (group) => set({ chosen: toggled(state.chosen, group) });

const drawnMeasures = () => D.measures.filter((measure) => GROUPS.some((group) => statOf(group, measure.name)));
