"""Options of `archspec train` for the arithmetic, and `--tune`, which finds the fastest ones.

`archspec sweep` has them too, for its trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from archspec.cli.console import tell
from archspec.cli.options import is_given
from archspec.diagnostics import plural

if TYPE_CHECKING:
    import torch

    from archspec.ir import Graph
    from archspec.language.recipe import Recipe
    from archspec.train.setup import Machine
    from archspec.train.step.precision import Settings
    from archspec.train.tune import Measured, Problem, Space, Tuning

F = TypeVar("F", bound=Callable[..., Any])
_CHOSEN: Final = ("precision", "channels_last", "own_kernels", "compile", "cuda_graphs", "threads")  # by --tune


@dataclass(frozen=True, slots=True)
class Computing:
    """The options for the arithmetic. given: the options on the command line, which --tune does not change."""

    precision: str
    channels_last: bool
    own_kernels: bool
    compile: bool
    cuda_graphs: bool
    deterministic: bool
    tune: bool
    given: frozenset[str]
    threads: int | None = None
    retune: bool = False

    def check(self, *, resumed: bool, alone: bool) -> None:
        """Raise UsageError for options that contradict each other. alone: whether there is only one process."""
        if (self.tune or self.retune) and self.deterministic:
            raise click.UsageError("--tune chooses by speed, which differs from run to run: tune without "
                                   "--deterministic, then give the options it chose")
        if (self.tune or self.retune) and resumed:
            raise click.UsageError("--tune is for a new run: a resumed run keeps its settings")
        if (self.tune or self.retune) and not alone:
            raise click.UsageError("--tune runs in one process: tune without torchrun, then give the options it chose")

    def check_sweep(self, devices: int) -> None:
        """`check` for the trials of a sweep, each on `devices` devices."""
        self.check(resumed=False, alone=True)
        if self.tune and devices > 1:
            raise click.UsageError("--tune runs in one process, and each trial trains on several devices: leave --tune "
                                   "out")

    def arguments(self) -> list[str]:
        """The given options, as arguments of `archspec train`."""
        return [_argument(name, getattr(self, name)) for name in _OPTIONS if name in self.given]

    def settings(self, device: torch.device) -> Settings:
        """The settings of the options, checked against the device. Sets the number of CPU threads."""
        import torch

        from archspec.train.step.deterministic import fix_workspace
        from archspec.train.step.precision import Settings, check_settings, pick_precision

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        chosen = Settings(
            pick_precision(self.precision, device), self.channels_last, self.own_kernels,
            self.compile or self.cuda_graphs, self.cuda_graphs, self.deterministic,
        )
        check_settings(chosen, device)
        fix_workspace(chosen, device)
        return chosen

    def tuned(self, graph: Graph, spec: str, recipe: Recipe, machine: Machine) -> Settings:
        """The fastest settings, from the cache or measured now. Sets the number of CPU threads to the fastest.

        spec: the text of the graph's spec.
        """
        import torch

        from archspec.train.tune import Space
        from archspec.train.tune.cache import cache_file, find, keep

        device = machine.device
        fixed = self._fixed(machine.settings)
        space = Space.of(device, **fixed)
        if recipe.accumulate > 1:
            space = replace(space, cuda_graphs=(False,))
        path = cache_file(graph, recipe, device, space)
        found = None if self.retune else find(path, device)
        if found is not None:
            best, speedup = found.candidate, found.speedup
            tell(f"tuned before: {best.options()}, {_faster(speedup)} (--retune measures again)")
        else:
            tuning = _search(graph, spec, recipe, machine, space)
            best = tuning.best.candidate
            if tuning.best.step_s is None:
                tell(f"not tuned: float32, the reference, cannot be measured: {tuning.best.refused}")
                return machine.settings
            if any(best.settings.to_json().get(name, value) != value for name, value in fixed.items()):
                tell("not tuned: no setting that the given options allow agrees with float32; they stay as they are")
                return machine.settings
            trouble = keep(path, tuning)
            tell(f"chosen: {best.options()}, {_faster(tuning.speedup)}"
                 + (f"; not cached: {trouble}" if trouble else ""))
        torch.set_num_threads(best.threads)
        return best.settings

    def _fixed(self, settings: Settings) -> dict[str, Any]:
        import torch

        values = {**settings.to_json(), "threads": torch.get_num_threads()}
        fixed: dict[str, Any] = {name: values[name] for name in _CHOSEN if name in self.given}
        return fixed | ({"compile": True} if fixed.get("cuda_graphs") else {})


def _faster(speedup: float) -> str:
    """The speedup as text."""
    return "nothing was faster than fp32" if speedup == 1 else f"{speedup:.2f} times as fast as fp32"


def _search(graph: Graph, spec: str, recipe: Recipe, machine: Machine, space: Space) -> Tuning:
    from archspec.backends.fits import report_memory_shortage
    from archspec.train.step.microbatch import free_memory
    from archspec.train.tune import tune
    from archspec.train.tune.child import Child

    problem, steps = _problem(graph, recipe, machine)
    free_memory(machine.device)  # for the other process
    tell(f"tuning with batches of {plural(problem.images, 'image')}, with dropout off")
    with report_memory_shortage("tuning"), Child(spec) as child:
        return tune(
            problem, space, steps, tell=lambda row, reference: tell(row_text(row, reference, problem.images)),
            measure=child.measure,
        )


def _problem(graph: Graph, recipe: Recipe, machine: Machine) -> tuple[Problem, int]:
    """Some batches of the training set, which is then released, and the number of steps of the whole run."""
    from archspec.train.setup import prepare
    from archspec.train.step.precision import Settings
    from archspec.train.tune import Problem
    from archspec.train.tune.measure import COMPARED

    recipe = recipe.model_copy(update={"accumulate": 1})  # a step of several passes is as fast as these
    task = prepare(graph, recipe, replace(machine, settings=Settings()), progress=tell)
    try:
        batches = tuple(islice(task.train.batches(0), COMPARED))
        steps = recipe.epochs * len(task.train)
    finally:
        task.close()
    return Problem(graph, recipe, machine.device, batches), steps


def row_text(row: Measured, reference: Measured, images: int) -> str:
    """A line of the table of --tune: settings, milliseconds per step, images/s, speedup, loss or failure."""
    name = f"  {row.candidate.text():<40}"
    if row.step_s is None or reference.step_s is None:
        return f"{name} {row.refused}"
    rate, ratio = images / row.step_s, reference.step_s / row.step_s
    figures = f"{name} {1000 * row.step_s:9.2f} ms {rate:10,.0f} images/s {ratio:6.2f}×"
    if row.refused is not None:
        return f"{figures}  rejected: {row.refused}"
    if row.candidate == reference.candidate:
        return figures
    return f"{figures}  loss off by {max(0.01, 100 * row.off_by(reference)):.2f} % at most"


_OPTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "precision": click.option(
        "--precision", type=click.Choice(["auto", "fp32", "tf32", "bf16", "fp16"]), default="auto", show_default=True,
        help="Precision of matrix products and convolutions; auto: tf32 on a GPU that has it, else fp32."),
    "channels_last": click.option("--channels-last/--no-channels-last", help="Store activations as NHWC."),
    "own_kernels": click.option(
        "--own-kernels/--no-own-kernels",
        help="On a CPU: archspec's own kernels for average pools and convolutions of small maps."),
    "compile": click.option("--compile/--no-compile", help="Compile the training step with torch.compile."),
    "cuda_graphs": click.option(
        "--cuda-graphs/--no-cuda-graphs", help="Compile, and replay the kernels as a CUDA graph."),
    "deterministic": click.option(
        "--deterministic/--no-deterministic",
        help="Identical bytes in each run on one device; on a GPU slower, and not possible for every layer."),
    "threads": click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Number of CPU threads."),
    "tune": click.option(
        "--tune", is_flag=True,
        help="Measure which of these settings are fastest here, use them, and cache the result."),
    "retune": click.option("--retune", is_flag=True, help="As --tune, but measure again."),
}
_TRAIN_ONLY: Final = ("threads", "retune")  # a sweep's engine chooses the threads


def computing_options(function: F) -> F:
    """Add the options. The command gets them as one argument `computing: Computing`."""
    return _with_options(function, _OPTIONS)


def trial_computing_options(function: F) -> F:
    """Add the options for the trials of a sweep."""
    return _with_options(function, {name: add for name, add in _OPTIONS.items() if name not in _TRAIN_ONLY})


def _with_options(function: F, options: Mapping[str, Callable[[Any], Any]]) -> F:
    @wraps(function)
    def wrapped(*args: Any, **rest: Any) -> Any:
        given = set(filter(is_given, options))
        values = {name: rest.pop(name) for name in options}
        return function(*args, computing=Computing(**values, given=frozenset(given)), **rest)

    result: Any = wrapped
    for add in reversed([*options.values()]):
        result = add(result)
    return cast("F", result)


def _argument(name: str, value: Any) -> str:
    """`--precision=bf16`, `--no-compile`."""
    option = name.replace("_", "-")
    return (f"--{option}" if value else f"--no-{option}") if isinstance(value, bool) else f"--{option}={value}"
