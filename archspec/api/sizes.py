"""Which sizes of an image a network takes: found by lowering its spec for other sizes, as `validate` would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from archspec.api.examination import LIMITS, program_of
from archspec.api.loaded import Loaded
from archspec.language.errors import TooManyErrors
from archspec.language.syntax import Errors, Program
from archspec.lower import lower
from archspec.text import sizes_text

Legal = Callable[[int], bool]
MOST_STEP: Final = 64  # the largest step between legal sizes that is looked for
PROBES: Final = 16  # further sizes for which the rule is tried
FACTOR: Final = 4  # sizes are tried up to this many times the spec's own
AXES: Final = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


@dataclass(frozen=True, slots=True)
class AxisSizes:
    """The legal sizes of one axis, the others as the spec has them: `smallest`, then every `step`, up to `largest`.

    largest: None if the largest that was tried, `tried`, is legal. listed: all legal sizes up to `tried` where they
    follow no such rule.
    """

    axis: str
    smallest: int
    step: int
    largest: int | None
    tried: int
    listed: tuple[int, ...] = ()

    @property
    def rule(self) -> str:
        """In words: `any from 16`, `multiples of 32 from 32`, `224 to 239`, `only 224`."""
        if self.listed:
            return _listed_text(self.listed, self.tried)
        if self.largest == self.smallest:
            return f"only {self.smallest}"
        end = "" if self.largest is None else f" to {self.largest}"
        if self.step == 1:
            return f"{self.smallest}{end}" if end else f"any from {self.smallest}"
        if self.smallest % self.step == 0:
            return f"multiples of {self.step} from {self.smallest}{end}"
        return f"from {self.smallest}{end} in steps of {self.step}"

    def to_json(self) -> dict[str, Any]:
        """As `profile --json` prints it."""
        return {
            "axis": self.axis, "smallest": self.smallest, "step": self.step, "largest": self.largest,
            "tried": self.tried, "listed": list(self.listed), "rule": self.rule,
        }


@dataclass(frozen=True, slots=True)
class InputSizes:
    """The legal sizes of a network's image.

    name: of the first input that is an image. smallest: the smallest one (channels first) that is legal. together:
    whether that has the smallest size of each axis; otherwise the axes depend on each other.
    """

    name: str
    smallest: tuple[int, ...]
    axes: tuple[AxisSizes, ...]
    together: bool

    @property
    def rule(self) -> str:
        """In words: `height and width: multiples of 32 from 32`."""
        alone = "" if self.together else ", each with the others as in the spec"
        alike: dict[str, list[str]] = {}
        for x in self.axes:
            alike.setdefault(x.rule, []).append(x.axis)
        return "; ".join(f"{', '.join(names[:-1])}{' and ' if names[1:] else ''}{names[-1]}: {rule}"
                         for rule, names in alike.items()) + alone

    def __str__(self) -> str:
        return f"smallest input {sizes_text(self.smallest)}; {self.rule}"


def input_sizes(loaded: Loaded) -> InputSizes | None:
    """The legal sizes of the images that a network takes; None if it takes none. Inputs of one size change together.

    The spec is lowered for some dozens of sizes: the smallest and the largest are found by bisection, and the rule is
    tried for sizes near the spec's own and below the smallest. Where it fails, all sizes are tried.
    """
    images = {port.name: port.type.shape[1:] for port in loaded.graph.inputs if port.type.ndim > 3}
    if not images or len({shape[1:] for shape in images.values()}) > 1:
        return None
    trial = _Trial(loaded.program or program_of(loaded.data), images)
    own = next(iter(images.values()))[1:]
    axes = tuple([
        _axis(name, own[k], lambda size, k=k: trial.takes((*own[:k], size, *own[k + 1 :])))  # type: ignore[misc]
        for k, name in enumerate(AXES[len(own)])
    ])
    least = tuple([axis.smallest for axis in axes])
    together = trial.takes(least)
    if not together:
        least = own
        if len(set(own)) == 1:
            least = (_axis("side", own[0], lambda size: trial.takes((size,) * len(own))).smallest,) * len(own)
    name, shape = next(iter(images.items()))
    return InputSizes(name, (shape[0], *least), axes, together)


class _Trial:
    """Lowers a spec for other sizes of its images."""

    def __init__(self, program: Program, images: dict[str, tuple[int, ...]]) -> None:
        self.program, self.images = program, images
        self.known: dict[tuple[int, ...], bool] = {}

    def takes(self, sizes: tuple[int, ...]) -> bool:
        """Whether the spec is valid with images of these sizes."""
        found = self.known.get(sizes)
        if found is None:
            errors = Errors()
            try:
                graph = lower(replace(self.program, input=self._input(sizes)), errors, LIMITS).graph
            except TooManyErrors:
                graph = None
            found = self.known[sizes] = graph is not None and not errors.found
        return found

    def _input(self, sizes: tuple[int, ...]) -> Any:
        raw, at = self.program.input
        if not isinstance(raw, dict):
            return [next(iter(self.images.values()))[0], *sizes], at
        changed = dict(raw)
        for name, shape in self.images.items():
            new = [shape[0], *sizes]
            changed[name] = {**raw[name], "shape": new} if isinstance(raw[name], dict) else new
        return changed, at


def _axis(name: str, own: int, legal: Legal) -> AxisSizes:
    """The legal sizes along one axis, starting from the spec's own."""
    most = max(FACTOR * own, own + 2 * MOST_STEP)
    above = next((d for d in range(1, MOST_STEP + 1) if legal(own + d)), None)
    below = next((d for d in range(1, min(above or MOST_STEP, own - 1) + 1) if legal(own - d)), None)
    step = min((d for d in (above, below) if d is not None), default=None)
    if step is None:
        return AxisSizes(name, own, 1, own, most)
    smallest = own - step * _last(lambda k: legal(own - step * k), (own - 1) // step)
    steps = _last(lambda k: legal(own + step * k), (most - own) // step)
    largest = None if steps == (most - own) // step else own + step * steps
    beside = [own + d for d in range(1, PROBES + 1)] + [smallest + d for d in range(-8, 2 * step)]
    if all(legal(size) == _follows(size, smallest, step, largest) for size in beside if 0 < size <= most):
        return AxisSizes(name, smallest, step, largest, most)
    listed = tuple([size for size in range(1, own + MOST_STEP + 1) if legal(size)])
    return AxisSizes(name, listed[0], 1, None, own + MOST_STEP, listed)


def _follows(size: int, smallest: int, step: int, largest: int | None) -> bool:
    return size >= smallest and (size - smallest) % step == 0 and (largest is None or size <= largest)


def _listed_text(sizes: tuple[int, ...], tried: int) -> str:
    """`4, 6, multiples of 4 from 8`; `5, 6, and the last 2 plus multiples of 4`; without a period, those tried."""
    legal = set(sizes)
    for period in range(1, MOST_STEP // 2):
        last = next((s for s in range(tried - period, 0, -1) if (s in legal) != (s + period in legal)), 0)
        tail = [size for size in sizes if last < size <= last + period]
        if last + 2 * period > tried or not tail:
            continue
        before = [size for size in sizes if size <= last]
        if len(tail) == 1 and tail[0] % period == 0:
            return ", ".join([*_ranges(before), f"multiples of {period} from {tail[0]}"])
        return ", ".join([*_ranges(before), *_ranges(tail), f"and the last {len(tail)} plus multiples of {period}"])
    texts = _ranges(sizes)
    return f"of the sizes to {tried}: {', '.join([*texts[:12], '…'] if len(texts) > 12 else texts)}"


def _ranges(sizes: Sequence[int]) -> list[str]:
    """`32`, `33`, `36 to 40`."""
    runs: list[list[int]] = []
    for size in sizes:
        if runs and size == runs[-1][-1] + 1:
            runs[-1].append(size)
        else:
            runs.append([size])
    return [text for run in runs for text in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]


def _last(holds: Callable[[int], bool], most: int) -> int:
    """The largest k up to `most` for which it holds, if it holds from 0 to that k."""
    if holds(most):
        return most
    low, high = 0, most  # it holds for low, and not for high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
