"""A comparison as text: Markdown, CSV, LaTeX (booktabs), JSON, and the cells that a terminal's table shows too."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from archspec.diagnostics import one_line
from archspec.results.compare import COMPARISON_FORMAT, MEASURES, SHOWN, Comparison, Group
from archspec.text import bytes_text, clean
from archspec.train.statistics import Statistic

DIAGNOSIS: Final = "diagnosis"  # the title of the last column
_DIGITS: Final = {"seconds": 1, "images_per_s": 0}
_ENTITIES: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "–": "--", "−": "$-$", "×": r"$\times$",
    "Δ": r"$\Delta$",
}


def shown_measures(comparison: Comparison) -> list[str]:
    """The measures that at least one group has, the one that is compared by among them."""
    names = [*SHOWN] if comparison.measure.name in SHOWN else [comparison.measure.name, *SHOWN]
    return [name for name in names if any(name in group.figures for group in comparison.groups)]


def titles(comparison: Comparison) -> list[str]:
    """The head of each column."""
    varied = [title_of(key) for key in comparison.varied]
    measures = [MEASURES[name].title for name in shown_measures(comparison)]
    return [*varied, "n", *measures, f"Δ {comparison.measure.title}", "difference", DIAGNOSIS]


def title_of(key: str) -> str:
    """What a table calls a setting."""
    return key.removeprefix("train.").removeprefix("train_")


def cells(comparison: Comparison, group: Group) -> list[str]:
    """A group's row, as text under `titles`."""
    varied = [value_text(group.values[key]) for key in comparison.varied]
    measures = [spread_text(group.figures.get(name), name) for name in shown_measures(comparison)]
    verdict, diagnosis = verdict_text(group), clean(one_line(group.diagnosis))
    return [*varied, count_text(group), *measures, delta_text(group, comparison), verdict, diagnosis]


def count_text(group: Group) -> str:
    """`3`, or `2 of 3` where not all came to their end."""
    return str(group.n) if group.finished == group.n else f"{group.finished} of {group.n}"


def spread_text(figures: Statistic | None, measure: str) -> str:
    """`0.8912 ± 0.0031`: mean and standard deviation."""
    if figures is None:
        return "–"
    text = number_text(figures.mean, measure)
    return text if figures.std is None else f"{text} ± {number_text(figures.std, measure)}"


def number_text(value: float, measure: str) -> str:
    """A figure with the digits that its measure has."""
    if measure == "peak_memory_bytes":
        return bytes_text(round(value))
    digits = _DIGITS.get(measure, 4)
    return f"{value:,.{digits}f}" if abs(value) < 1e5 or measure in _DIGITS else f"{value:.4g}"


def delta_text(group: Group, comparison: Comparison) -> str:
    """`-0.0123`, the difference to the baseline."""
    if group.against is None:
        return "–"
    text = number_text(abs(group.against.mean), comparison.measure.name)
    return ("−" if group.against.mean < 0 else "+") + text


def verdict_text(group: Group) -> str:
    """`worse (p 0.003)`, `within noise (p 0.4)`, `not known: one seed`."""
    if group.verdict == "not known":
        return "not known: one seed"
    if group.p_adjusted is None:
        return group.verdict if group.verdict != "no figure" else "–"
    p = group.p_adjusted
    return f"{group.verdict} (p {'< 0.001' if p < 0.001 else f'{p:.2g}'})"


def value_text(value: Any) -> str:
    """A setting or a name as a table shows it, on one line and without control characters."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return clean(one_line(json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)))


def to_markdown(comparison: Comparison) -> str:
    """A GitHub table."""
    head = titles(comparison)
    left = len(comparison.varied)
    rule = ["---" if k < left or k >= len(head) - 2 else "---:" for k in range(len(head))]
    rows = [head, rule, *(cells(comparison, group) for group in comparison.groups)]
    return "\n".join("| " + " | ".join(_pipe(cell) for cell in row) + " |" for row in rows)


def _pipe(cell: str) -> str:
    return cell.replace("|", r"\|").replace("\n", " ")


def to_csv(comparison: Comparison) -> str:
    """Plain numbers, a column each: for every measure its mean, deviation and interval."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [name for name in MEASURES if any(name in group.figures for group in comparison.groups)]
    parts = ("mean", "std", "low", "high")
    writer.writerow([
        *comparison.varied, "n", "finished", *(f"{name}_{part}" for name in names for part in parts),
        "difference", "p", "verdict", "diagnosis",
    ])
    for group in comparison.groups:
        figures = [_part(group.figures.get(name), part) for name in names for part in parts]
        against = [None if group.against is None else group.against.mean, group.p_adjusted]
        varied = [_plain(group.values[key]) for key in comparison.varied]
        writer.writerow([*varied, group.n, group.finished, *figures, *against, group.verdict, group.diagnosis])
    return out.getvalue()


def _plain(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def _part(figures: Statistic | None, part: str) -> float | None:
    if figures is None or (part in ("low", "high") and figures.interval is None):
        return None
    if figures.interval is not None and part in ("low", "high"):
        return figures.interval[part == "high"]
    return figures.mean if part == "mean" else figures.std


def to_latex(comparison: Comparison) -> str:
    """A table for the package booktabs."""
    head = titles(comparison)[:-1]
    columns = "l" * len(comparison.varied) + "r" * (len(head) - len(comparison.varied) - 1) + "l"
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _latex_row(head), r"\midrule"]
    lines += [_latex_row(cells(comparison, group)[:-1]) for group in comparison.groups]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _latex_row(row: Sequence[str]) -> str:
    return " & ".join(_latex(cell) for cell in row) + r" \\"


def _latex(text: str) -> str:
    return "".join(_ENTITIES.get(c, c) for c in text)


def to_json(comparison: Comparison) -> dict[str, Any]:
    """The versioned JSON form."""
    return {
        "format": COMPARISON_FORMAT,
        "measure": comparison.measure.name,
        "baseline": comparison.baseline,
        "baseline_reason": comparison.reason,
        "best": comparison.best,
        "varied": list(comparison.varied),
        "groups": [
            {
                "values": dict(group.values), "n": group.n, "finished": group.finished,
                "runs": [str(record.path) for record in group.records],
                "seeds": [record.seed for record in group.records],
                "params": group.records[0].params, "macs": group.records[0].macs,
                "figures": {name: figures.to_json() for name, figures in group.figures.items()},
                "verdict": group.verdict, "difference": None if group.against is None else asdict(group.against),
                "p_adjusted": group.p_adjusted, "diagnosis": group.diagnosis,
            }
            for group in comparison.groups
        ],
    }
