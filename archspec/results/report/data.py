"""The data of a report page: plain and rounded, with each fact only once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from archspec import __version__
from archspec.language.loss import FIGURES
from archspec.results.compare import ALPHA, MEASURES, Comparison, Group, Measure, compare, named_by_recipe
from archspec.results.formats import title_of, value_text, verdict_text
from archspec.results.record import RECIPE, RunRecord, whole
from archspec.results.report.curves import MOST_POINTS, Encoder, encode, short, thinned
from archspec.results.report.importance import epsilon_squared, importance, is_number
from archspec.results.report.source import (
    common_folder,
    environment_of,
    matrix_of,
    options_of,
    processes_of,
)
from archspec.train.run_dir.step_points import NAME as STEPS
from archspec.train.run_dir.step_points import read_steps

FORMAT: Final = 1
MOST_STEPPED: Final = 12  # with more runs, the points within epochs are not shown
STEP_POINTS: Final = 200
MOST_MATRICES: Final = 8
MOST_TEXT: Final = 400  # characters of a text from a run


def page_data(
    records: Sequence[RunRecord], *, title: str, measure: str = "test_accuracy", points: int = MOST_POINTS,
    reload_s: int = 0,
) -> dict[str, Any]:
    """All data of a page. points: in each curve. reload_s: after how many seconds the page reloads itself."""
    comparison = compare(_in_order(compare(records, measure)), measure)
    runs = [record for group in comparison.groups for record in group.records]
    folder = common_folder(runs)
    metric = next((run.last.metric for run in runs if run.last is not None), "accuracy")
    encoder = Encoder(points, metric)
    return {
        "format": FORMAT, "title": title, "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "archspec": __version__, "reload": reload_s, "alpha": ALPHA, "repeated": len(records) - len(runs),
        "named": comparison.varied.index(RECIPE) if named_by_recipe(comparison) else None,
        "measure": comparison.measure.name, "measures": _measures(comparison), "baseline": comparison.baseline,
        "best": comparison.best, "reason": comparison.reason,
        "params": [_param(key, comparison.groups) for key in comparison.varied],
        "groups": [_group(group, comparison) for group in comparison.groups],
        "series": [f"{part}_{name}" for part in ("evaluated", "train") for name in (metric, "loss")],
        "shares": [name for name, figure in FIGURES.items() if figure.higher],  # metrics whose best value is 1
        "metric": FIGURES[metric].title, "split": next((run.epochs[0].split for run in runs if run.epochs), "test"),
        "folder": str(folder), "runs": _runs(runs, comparison, str(folder)),
        "curves": [encoder.encode(run) for run in runs], "grids": encoder.grids, "steps": _steps(runs, metric),
        "importance": _importance(runs, comparison), "findings": _findings(runs),
        "matrices": _matrices(comparison), **_environments(runs),
    }


def _in_order(comparison: Comparison) -> list[RunRecord]:
    """The runs in the order for legends and tables: that of their sweep, or else sorted by the settings that vary."""
    if all(record.place is not None for group in comparison.groups for record in group.records):
        return [record for group in comparison.groups for record in group.records]

    def rank(group: Group) -> list[tuple[bool, float, str]]:
        values = [group.values[key] for key in comparison.varied]
        numbers = [v if is_number(v) else None for v in values]
        return [(n is None, n or 0.0, value_text(v)) for n, v in zip(numbers, values, strict=True)]

    return [record for group in sorted(comparison.groups, key=rank) for record in group.records]


def _measures(comparison: Comparison) -> list[dict[str, Any]]:
    """The measures that at least one run has."""
    measures: list[Measure] = [*MEASURES.values(), *_COSTS]
    found = [m for m in measures if any(m.of(r) is not None for g in comparison.groups for r in g.records)]
    return [{"name": m.name, "title": m.title, "higher": m.higher} for m in found]


_COSTS: Final = (
    Measure("params", "parameters", lambda record: record.params, higher=False, trained=False),
    Measure("macs", "MACs", lambda record: record.macs, higher=False, trained=False),
)


def _param(key: str, groups: Sequence[Group]) -> dict[str, Any]:
    """A setting that varies. log: whether its numbers need a logarithmic scale."""
    values = [group.values[key] for group in groups]
    numbers = [value for value in values if is_number(value)]
    numeric = len(numbers) == len(values)
    log = numeric and min(numbers) > 0 and max(numbers) / min(numbers) >= 8
    return {"key": key, "title": title_of(key), "numeric": numeric, "log": log}


def _group(group: Group, comparison: Comparison) -> dict[str, Any]:
    values = [_plain(group.values[key]) for key in comparison.varied]
    against = None if group.against is None else short(group.against.mean)
    return {"values": values, "verdict": group.verdict, "text": verdict_text(group), "delta": against}


def _plain(value: Any) -> Any:
    """A number unchanged, anything else as text."""
    return value if is_number(value) else _text(value_text(value))


def _runs(runs: Sequence[RunRecord], comparison: Comparison, folder: str) -> dict[str, Any]:
    """A column for each fact."""
    groups = [k for k, group in enumerate(comparison.groups) for _ in group.records]
    measures = {one["name"] for one in _measures(comparison)}
    figures = {
        measure.name: [_figure(measure.of(run)) for run in runs]
        for measure in (*MEASURES.values(), *_COSTS) if measure.name in measures
    }
    return {
        "group": groups, "seed": [run.seed for run in runs], "status": [run.status for run in runs],
        "path": [_below(run, folder) for run in runs], "epochs": [len(run.epochs) for run in runs],
        "seconds": [short(run.seconds) for run in runs],
        "diagnosis": _numbered([_text(run.diagnosis) for run in runs]),
        "options": _numbered([options_of(run) for run in runs]),
        "processes": [processes_of(run) for run in runs] if any(processes_of(run) > 1 for run in runs) else [],
        "figures": figures,
    }


def _below(run: RunRecord, folder: str) -> str:
    path = str(run.path)
    return path if folder == "." else path.removeprefix(folder).removeprefix("/")


def _numbered(texts: Sequence[str]) -> dict[str, Any]:
    """The distinct texts, and for each run the index of its text."""
    distinct = {text: k for k, text in enumerate(dict.fromkeys(texts))}
    return {"texts": list(distinct), "of": [distinct[text] for text in texts]}


def _figure(value: float | None) -> float | None:
    return short(value) if value is not None and is_number(value) else None


def _steps(runs: Sequence[RunRecord], metric: str) -> list[list[Any]]:
    """Epoch, training loss and accuracy of the points within epochs, if there are few runs."""
    if len(runs) > MOST_STEPPED:
        return []
    found = []
    for run in runs:
        points = read_steps(run.path / STEPS)
        kept = [points[k] for k in thinned(len(points), STEP_POINTS)]
        columns = [(p.epoch for p in kept), (p.figure(metric) for p in kept), (p.loss for p in kept)]
        found.append([encode(list(column), k == 2) for k, column in enumerate(columns)] if kept else [])
    return found


def _importance(runs: Sequence[RunRecord], comparison: Comparison) -> dict[str, Any]:
    """The share of variance of each varied setting, and what remains between repetitions."""
    rows = [dict(group.values) for group in comparison.groups for _ in group.records]
    figures = [comparison.measure.of(run) for run in runs]
    known = [k for k, value in enumerate(figures) if is_number(value)]
    values = [figures[k] or 0.0 for k in known]
    between = epsilon_squared([runs[k].digest for k in known], values) if known else None
    settings = [key for key in comparison.varied if key != RECIPE or not named_by_recipe(comparison)]
    shares = importance([rows[k] for k in known], values, settings) if known else []
    return {
        "n": len(known), "without": len(runs) - len(known), "seeds": None if between is None else short(1 - between),
        "shares": [
            {"param": comparison.varied.index(one.key), "share": None if one.share is None else short(one.share),
             "levels": one.levels, "binned": one.binned, "together": [comparison.varied.index(k) for k in one.together]}
            for one in shares
        ],
    }


def _findings(runs: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Each verdict of the doctor once, with its runs: `[run, step, until, epoch]`."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for k, run in enumerate(runs):
        last = run.last
        each = last.step / last.epoch if last is not None and last.step and last.epoch else 0.0
        for finding in run.findings:
            code, title = _text(finding.get("code")), _text(finding.get("title"))
            entry = found.setdefault((code, title), {
                "code": code, "title": title, "advice": _text(finding.get("advice")),
                "evidence": _evidence(finding.get("evidence")), "runs": [],
            })
            step, until = whole(finding.get("step")), whole(finding.get("until"))
            epoch = short(step / each) if step and each else None
            entry["runs"].append([k, step, until, epoch])
    return sorted(found.values(), key=lambda entry: -len(entry["runs"]))


def _evidence(value: Any) -> list[str]:
    facts = value if isinstance(value, list) else []
    return [_text(fact.get("text")) for fact in facts[:6] if isinstance(fact, Mapping)]


def _matrices(comparison: Comparison) -> list[dict[str, Any]]:
    """The confusion matrices of the best groups, each summed over its seeds."""
    sign = -1 if comparison.measure.higher else 1
    name = comparison.measure.name
    ranked = sorted(
        (k for k, group in enumerate(comparison.groups) if name in group.figures),
        key=lambda k: sign * comparison.groups[k].figures[name].mean,
    )
    found = []
    for k in ranked:
        matrix = matrix_of([run for run in comparison.groups[k].records if run.status == "finished"])
        if matrix is not None:
            found.append({"group": k, "columns": [_text(column) for column in matrix[0]], "rows": matrix[1]})
        if len(found) == MOST_MATRICES:
            break
    return found


def _environments(runs: Sequence[RunRecord]) -> dict[str, Any]:
    """The distinct environments, and for each run the index of its environment."""
    rows = [tuple((_text(name), _text(value)) for name, value in environment_of(run)) for run in runs]
    distinct = {row: k for k, row in enumerate(dict.fromkeys(rows))}
    return {"environments": [list(map(list, row)) for row in distinct], "environment": [distinct[row] for row in rows]}


def _text(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"
