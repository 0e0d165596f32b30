"""Compares runs: groups repetitions, finds what varies, and tests whether a difference is more than noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from typing_extensions import override

from archspec.diagnostics import plural
from archspec.language.loss import FIGURES
from archspec.language.recipe import ANY_OPTIMIZER
from archspec.printing.shown import Shown
from archspec.results.record import RECIPE, RunRecord
from archspec.results.stats import Difference, difference, holm
from archspec.train.statistics import Statistic

if TYPE_CHECKING:
    from rich.console import Console

ALPHA: Final = 0.05
IMAGES: Final = "train_images"  # the name of the setting if runs use different amounts of data
COMPARISON_FORMAT: Final = 1
Verdict = Literal["baseline", "better", "worse", "within noise", "not known", "no figure"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of a run.

    latest: its value so far. higher: whether a higher value is better. trained: whether it is only known at the end of
    a training.
    """

    name: str
    title: str
    latest: Callable[[RunRecord], float | None]
    higher: bool = True
    trained: bool = True

    def of(self, record: RunRecord) -> float | None:
        """The figure to compare; None for an unfinished run, whose last epoch cannot be compared with others."""
        return None if self.trained and record.status != "finished" else self.latest(record)


def _known(value: float) -> float | None:
    """None for a metric that does not go with the run's loss. A loss may be NaN."""
    return None if math.isnan(value) else value


def _last(name: str) -> Callable[[RunRecord], float | None]:
    """Of the training pass of the last epoch."""
    if name == "loss":
        return lambda record: None if record.last is None else record.last.train_loss
    return lambda record: None if record.last is None else _known(record.last.figure(name, "train"))


def _best(name: str) -> Callable[[RunRecord], float | None]:
    """Of the evaluation after the best epoch."""
    return lambda record: None if record.best is None else _known(record.best.figure(name))


def _mean(name: str) -> Callable[[RunRecord], float | None]:
    """Of the training passes of all epochs."""
    def figure(record: RunRecord) -> float | None:
        values = [row.figure(name, "train") for row in record.epochs]
        mean = math.fsum(values) / len(values) if values else None
        return mean if mean is None or name == "loss" else _known(mean)

    return figure


def _test(key: str) -> Callable[[RunRecord], float | None]:
    return lambda record: None if record.test is None else record.test.get(key)


OTHER_METRICS: Final = tuple(name for name in FIGURES if name not in ("loss", "accuracy"))


def _of_metric(name: str) -> tuple[Measure, ...]:
    """The measures of a metric."""
    higher, short = FIGURES[name].higher, FIGURES[name].short
    evaluated = (
        Measure(f"test_{name}", f"test {short}", _test(name), higher),
        Measure(f"best_{name}", f"{short}, best epoch", _best(name), higher),
    )
    if name == "top5":  # of evaluated images only
        return evaluated
    return *evaluated, Measure(f"last_train_{name}", f"train {short}, last epoch", _last(name), higher)


MEASURES: Final = {measure.name: measure for measure in (
    Measure("test_accuracy", "test acc", _test("accuracy")),
    Measure("test_loss", "test loss", _test("loss"), higher=False),
    Measure("last_train_loss", "train loss, last epoch", _last("loss"), higher=False),
    Measure("last_train_accuracy", "train acc, last epoch", _last("accuracy")),
    Measure("best_accuracy", "acc, best epoch", _best("accuracy")),
    Measure("mean_train_loss", "train loss, mean over training", _mean("loss"), higher=False),
    Measure("mean_train_accuracy", "train acc, mean over training", _mean("accuracy")),
    Measure("seconds", "s", lambda record: record.seconds or None, higher=False),
    Measure("images_per_s", "images/s", lambda record: record.images_per_s),
    Measure("peak_memory_bytes", "memory", lambda record: record.peak_memory_bytes, higher=False),
    *(measure for name in OTHER_METRICS for measure in _of_metric(name)),
)}
SHOWN: Final = ("last_train_loss", "last_train_accuracy", "test_accuracy", "best_accuracy", "seconds", "images_per_s",
         "peak_memory_bytes")


@dataclass(frozen=True, slots=True)
class Group:
    """Repetitions of one experiment: runs that only differ in their seeds.

    values: the settings that distinguish it from other groups. figures: measure → statistics over the finished runs
    that have the figure. against: the difference to the baseline; None for the baseline itself.
    """

    values: Mapping[str, Any]
    records: tuple[RunRecord, ...]
    figures: Mapping[str, Statistic]
    verdict: Verdict = "no figure"
    against: Difference | None = None
    p_adjusted: float | None = None

    @property
    def n(self) -> int:
        """The number of runs."""
        return len(self.records)

    @property
    def finished(self) -> int:
        """The number of finished runs."""
        return sum(record.status == "finished" for record in self.records)

    @property
    def diagnosis(self) -> str:
        """The problems of its runs, each once."""
        counts: dict[str, int] = {}
        for record in self.records:
            if record.diagnosis:
                counts[record.diagnosis] = counts.get(record.diagnosis, 0) + 1
        return "; ".join(f"{text} ({count} of {self.n})" if count < self.n else text for text, count in counts.items())


@dataclass(frozen=True, slots=True)
class Comparison(Shown):
    """A comparison of groups. It prints as `archspec compare` does.

    varied: the settings in which they differ. measure: the figure to compare. baseline: the index of the group against
    which the others are tested. least_seeds: how many seeds that group needed to be chosen; None if the user chose it.
    """

    varied: tuple[str, ...]
    groups: tuple[Group, ...]
    measure: Measure
    baseline: int
    least_seeds: int | None = None

    @override
    def show(self, console: Console) -> None:
        """What `archspec compare` prints."""
        from archspec.results.table import show_comparison

        show_comparison(self, console)

    @property
    def best(self) -> int:
        """The index of the group with the best mean."""
        return _best_group(self.groups, self.measure)

    @property
    def reason(self) -> str:
        """Why the baseline is the baseline."""
        if self.least_seeds is None:
            return "the row that was named"
        return "the best row" if self.baseline == self.best else (
            f"the best of the rows with at least {plural(self.least_seeds, 'seed')}"
        )


def named_by_recipe(comparison: Comparison) -> bool:
    """Whether every group has a different recipe."""
    recipes = [group.values.get(RECIPE) for group in comparison.groups]
    return bool(recipes) and None not in recipes and len({str(recipe) for recipe in recipes}) == len(recipes)


def measure_of(records: Sequence[RunRecord], name: str) -> Measure:
    """The measure of that name; for `test_accuracy`, and runs none of which has one, that of the first one's metric."""
    metrics = [record.last.metric for record in records if record.last is not None]
    other = name == "test_accuracy" and metrics and "accuracy" not in metrics
    return MEASURES[f"test_{metrics[0]}" if other else name]


def compare(
    records: Sequence[RunRecord], measure: str = "test_accuracy", baseline: int | None = None
) -> Comparison:
    """Group runs, find what varies, and test each group against the baseline.

    measure: a name in MEASURES; for runs without an accuracy `test_accuracy` is their own metric. baseline: the index
    of a group, in order of appearance; None for the best mean among the groups with enough seeds, see `_enough_seeds`.
    P-values are adjusted for the number of comparisons (Holm 1979); ALPHA is the significance level.
    """
    chosen = measure_of(records, measure)
    grouped: dict[str, dict[int | None, RunRecord]] = {}
    for record in records:
        grouped.setdefault(record.digest, {})[record.seed] = record  # repeating a seed adds no evidence
    members = [list(group.values()) for group in grouped.values()]
    varied = _varied([group[0] for group in members])
    groups = [
        Group({key: _value(group[0], key) for key in varied}, tuple(group), _figures(group)) for group in members
    ]
    least = _enough_seeds(groups, chosen) if baseline is None else None
    first = _best_group(groups, chosen, least or 1) if baseline is None else baseline
    return Comparison(tuple(varied), tuple(_judged(groups, chosen, first)), chosen, first, least)


def _varied(firsts: Sequence[RunRecord]) -> list[str]:
    """The settings that differ between the groups, `network` first. A var that not all networks have does not count."""
    names = ["network"] if len({record.network for record in firsts}) > 1 else []
    settings = [record.settings for record in firsts]
    for key in dict.fromkeys(key for one in settings for key in one):
        values = [_key(record.settings.get(key)) for record in firsts]
        everywhere = all(key in record.settings for record in firsts)
        own = key.startswith("train.") and not follows_optimizer(key, settings)
        if len(set(values)) > 1 and (everywhere or own or key == RECIPE):
            names.append(key)
    if len({_images(record) for record in firsts} - {None}) > 1:
        names.append(IMAGES)
    for key in ("params", "macs", "path"):  # until all rows are different
        rows = {tuple(_key(_value(record, name)) for name in names) for record in firsts}
        if len(rows) < len(firsts) and len({_value(record, key) for record in firsts}) > 1:
            names.append(key)
    return names


def follows_optimizer(key: str, settings: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a setting only differs because some of the optimizers do not have it."""
    having = {_key(one[key]) for one in settings if key in one}
    return key.removeprefix("train.") in ANY_OPTIMIZER and len(having) == 1


def _images(record: RunRecord) -> Any:
    """The number of training images; None if it is not known."""
    data = record.environment.get("data")
    return data.get("train_images") if isinstance(data, dict) else None


def _value(record: RunRecord, key: str) -> Any:
    if key == IMAGES:
        return _images(record)
    if key in ("network", "params", "macs"):
        return getattr(record, key)
    return str(record.path) if key == "path" else record.settings.get(key)


def _key(value: Any) -> str:
    return repr(value)


def _figures(records: Sequence[RunRecord]) -> dict[str, Statistic]:
    found = {}
    for name, measure in MEASURES.items():
        values = [value for value in map(measure.of, records) if value is not None and math.isfinite(value)]
        if values:
            found[name] = Statistic.of(values)
    return found


def _enough_seeds(groups: Sequence[Group], measure: Measure) -> int:
    """How many seeds a baseline has: half as many as the group with the most, and two, if any group has two.

    From one seed no difference is known, and from two of ten only a large one.
    """
    most = max((group.figures[measure.name].n for group in groups if measure.name in group.figures), default=1)
    return 1 if most == 1 else max(2, math.ceil(most / 2))


def _best_group(groups: Sequence[Group], measure: Measure, least: int = 1) -> int:
    """The index of the group with the best mean, of those with `least` seeds."""
    sign = 1 if measure.higher else -1

    def rank(k: int) -> float:
        found = groups[k].figures.get(measure.name)
        return -math.inf if found is None or found.n < least else sign * found.mean

    return max(range(len(groups)), key=rank, default=0)


def _judged(groups: Sequence[Group], measure: Measure, baseline: int) -> list[Group]:
    """The groups with their verdicts."""
    from dataclasses import replace

    base = _by_seed(groups[baseline], measure) if groups else {}
    found: dict[int, Difference] = {}
    for k, group in enumerate(groups):
        mine = _by_seed(group, measure)
        if k != baseline and mine and base:
            found[k] = difference(mine, base)
    tested = [k for k, d in found.items() if d.p is not None]
    adjusted = dict(zip(tested, holm([found[k].p or 0.0 for k in tested]), strict=True))
    judged = []
    for k, group in enumerate(groups):
        if k == baseline:
            judged.append(replace(group, verdict="baseline" if base else "no figure"))
        elif k not in found:
            judged.append(group)
        else:
            verdict = _verdict(found[k], adjusted.get(k), measure)
            judged.append(replace(group, verdict=verdict, against=found[k], p_adjusted=adjusted.get(k)))
    return judged


def _by_seed(group: Group, measure: Measure) -> dict[int, float]:
    """Seed → figure of each run."""
    figures = ((record.seed, measure.of(record)) for record in group.records)
    return {seed or 0: value for seed, value in figures if value is not None and math.isfinite(value)}


def _verdict(found: Difference, adjusted: float | None, measure: Measure) -> Verdict:
    if adjusted is None:
        return "not known"
    if adjusted >= ALPHA:
        return "within noise"
    return "better" if (found.mean > 0) == measure.higher else "worse"
