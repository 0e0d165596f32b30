"""Describes a comparison in a few sentences."""

from __future__ import annotations

from archspec.diagnostics import plural
from archspec.results.compare import Comparison, Group, named_by_recipe
from archspec.results.formats import spread_text, title_of, value_text
from archspec.results.record import RECIPE


def summary_lines(comparison: Comparison) -> list[str]:
    """The summary of a comparison: the best row, how many others differ from it, and what went wrong."""
    groups, name = comparison.groups, comparison.measure.name
    if not groups or not any(name in group.figures for group in groups):
        return ["no run has the figure to compare"] if groups else []
    base, best = groups[comparison.baseline], groups[comparison.best]
    lines = [
        f"best by {comparison.measure.title}: {label(comparison, best)}: {spread_text(best.figures[name], name)}"
        f" ({plural(best.figures[name].n, 'seed')})"
    ]
    others = [group for group in groups if group is not base]
    if base is not best and comparison.least_seeds is not None:
        lines.append(f"baseline: {label(comparison, base)}: {spread_text(base.figures[name], name)}"
                     f" ({plural(base.figures[name].n, 'seed')}), {comparison.reason}")
    if others:
        lines.append(_differences(others, "the best" if base is best else "the baseline"))
    failed = sum(group.n - group.finished for group in groups)
    if failed:
        lines.append(f"{failed} of {plural(sum(group.n for group in groups), 'run')} did not finish")
    return lines


def label(comparison: Comparison, group: Group) -> str:
    """The settings that distinguish a group: `lr 0.3, batch_size 64`, or just the recipe if no other group has it."""
    if named_by_recipe(comparison):
        return str(group.values[RECIPE])
    values = [f"{title_of(key)} {value_text(group.values[key])}" for key in comparison.varied]
    return ", ".join(values) or group.records[0].network


def _differences(others: list[Group], against: str) -> str:
    counts: dict[str, int] = {}
    for group in others:
        counts[group.verdict] = counts.get(group.verdict, 0) + 1
    words = {"within noise": "within noise", "worse": "worse", "better": "better", "not known": "not known",
             "no figure": "without the figure"}
    parts = [f"{counts[verdict]} {text}" for verdict, text in words.items() if verdict in counts]
    line = f"{plural(len(others), 'difference')} to {against}: {', '.join(parts)}"
    return line + ("; one seed cannot show noise: use several, `--seeds 3`" if "not known" in counts else "")
