"""The options of `archspec sweep` that choose where its trials run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from archspec.cli.console import tell
from archspec.cli.options import COUNT, DEVICE, Number, is_given

if TYPE_CHECKING:
    from archspec.cli.tuning import Computing
    from archspec.sweep.engine import Engine
    from archspec.sweep.expand import Trial
    from archspec.sweep.slots import Slots

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Engines:
    """Where trials run, from the command line."""

    name: str
    device: str
    jobs: int | None
    threads: int | None
    address: str | None
    gpu_share: float | None

    def train_options(self) -> list[str]:
        """The options for `archspec train`. A trial sees only its own GPU, which is then the first one."""
        return [f"--device={self.device.partition(':')[0]}"]

    def check(self, computing: Computing) -> None:
        """Raise SpecError if no trial can compute like this. The nodes of a cluster are not checked."""
        if self.name == "local" and computing.given:
            from archspec.backends.device import pick_device

            computing.settings(pick_device(self.device))

    @contextmanager
    def opened(self, trials: Sequence[Trial]) -> Iterator[Engine]:
        """The engine for these trials, or similar ones."""
        if self.name == "local":
            from archspec.sweep.local import Local
            from archspec.sweep.slots import slots_for

            yield Local(slots_for(self.device, trials, self.jobs, self.threads))
            return
        from archspec.sweep.cluster.connect import connected
        from archspec.sweep.cluster.engine import ray_engine

        with connected(self.address):
            yield ray_engine(trials, self.device, self.gpu_share, self.jobs, self.threads, tell)

    def slots(self, trials: Sequence[Trial]) -> Slots:
        """How many of these trials run at once, and with how many threads."""
        from archspec.sweep.slots import Slots

        with self.opened(trials) as engine:
            return Slots(({},) * min(engine.capacity(), max(1, len(trials))), engine.threads)


def engine_options(function: F) -> F:
    """Add the options. The command gets them as one argument `engines: Engines`."""

    @wraps(function)
    def wrapped(
        *args: Any, engine: str, device: str, jobs: int | None, threads: int | None, ray_address: str | None,
        gpu_share: float | None, **kwargs: Any,
    ) -> Any:
        if engine == "local" and gpu_share is not None:
            raise click.UsageError("--gpu-share is for --engine ray; without it trials share a GPU as its memory "
                                   "allows")
        if engine == "local" and is_given("ray_address"):  # $RAY_ADDRESS may be set for other programs
            raise click.UsageError("--ray-address is for --engine ray: add that, or leave it out")
        return function(*args, engines=Engines(engine, device, jobs, threads, ray_address, gpu_share), **kwargs)

    decorators = [
        click.option("--jobs", type=COUNT, metavar="N",
                     help="Trials at once; default: as many as cores or GPUs allow."),
        click.option("--threads", type=COUNT, metavar="N", help="CPU threads of each trial."),
        click.option("--device", default="auto", show_default=True, type=DEVICE, metavar=DEVICE.name,
                     help="Where to train."),
        click.option("--engine", default="local", show_default=True, type=click.Choice(["local", "ray"]),
                     help="Run trials on this machine, or on a Ray cluster."),
        click.option("--ray-address", envvar="RAY_ADDRESS", metavar="HOST:PORT",
                     help="The cluster, or ray://HOST:PORT from a machine outside it; default $RAY_ADDRESS, or the one "
                          "that runs on this machine."),
        click.option("--gpu-share", type=Number(0, 1, min_open=True), metavar="SHARE",
                     help="With --engine ray: the share of a GPU that a trial takes; default 1."),
    ]
    result: Any = wrapped
    for decorate in reversed(decorators):
        result = decorate(result)
    return cast("F", result)
