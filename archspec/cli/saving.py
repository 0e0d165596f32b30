"""Options of `archspec train` that save and resume runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from archspec.cli.console import tell
from archspec.cli.options import ParamType
from archspec.plugins import named_options
from archspec.text import shell

if TYPE_CHECKING:
    from archspec.train.checkpoint.policy import Checkpointer, Every
    from archspec.train.checkpoint.resume import Resumption
    from archspec.train.distributed.process_group import ProcessGroup

F = TypeVar("F", bound=Callable[..., Any])
_AFTER_REPAIR: Final = "the last checkpoint is {last}: fix that, and {resume} continues from it"
_WAYS_ON: Final = {
    **dict.fromkeys(("RUN303", "RUN305", "RUN307", "RUN308", "RUN309"), _AFTER_REPAIR),  # the data
    "RUN310": "the last checkpoint, {last}, was saved before that; {resume} alone would fail again in the same way: "
    "add --allow-changes and a lower --lr",
    "RUN313": _AFTER_REPAIR,  # the disk
}
_ANEW: Final = (
    "the last checkpoint, {last}, holds a network that had already diverged, with a loss of {loss:.3g}: "
    "start a new run with a lower --lr"
)
_RUINED: Final = 100.0  # a loss, in nats: one answer for every image has ln(classes)
_NOT_OURS: Final = ("RUN317", "RUN336")  # the folder belongs to another run
_UNITS: Final = {"": "steps", "step": "steps", "epoch": "epochs", "min": "minutes"}


class EveryType(ParamType):
    """`epoch,5min`, `500`, `2epochs` or `never`, as steps, epochs and minutes."""

    name = "WHEN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, int]:
        """See click."""
        if isinstance(value, dict):
            return value
        chosen: dict[str, int] = {}
        for text in [] if value == "never" else str(value).split(","):
            found = re.fullmatch(r" *([1-9]\d{0,8})? *(step|epoch|min)?s? *", text)
            if found is None or not text.strip() or _UNITS[found[2] or ""] in chosen:
                self.fail(f"{value!r}: write `epoch,5min`, `500steps`, `2epochs` or `never`", param, ctx)
            chosen[_UNITS[found[2] or ""]] = int(found[1] or 1)
        return chosen


@dataclass(frozen=True, slots=True)
class Saving:
    """The options for checkpoints.

    resume: the folder of the run to resume. stop_after: the epochs after which the run is paused.
    """

    when: dict[str, int]
    keep: int
    resume: Path | None
    allow_changes: bool
    stop_after: int | None = None

    @property
    def every(self) -> Every:
        """When to save."""
        from archspec.train.checkpoint.policy import Every

        minutes = self.when.get("minutes")
        return Every(self.when.get("steps"), self.when.get("epochs"), minutes and 60.0 * minutes)

    def earlier(self, spec: str | None, run_dir: Path | None, group: ProcessGroup | None) -> Resumption | None:
        """The run to resume, or None for a new one, which needs a spec.

        If a launcher has restarted the command, it resumes the run in `run_dir`.
        """
        if self.resume is not None and run_dir is not None:
            raise click.UsageError("--resume names the run's folder: leave --run-dir out")
        if self.allow_changes and self.resume is None:
            raise click.UsageError("--allow-changes needs a run to resume: add --resume RUN_DIR, or leave it out")
        folder = self.resume
        if folder is None:
            if spec is None:
                raise click.UsageError("name a SPEC to train, or a run to resume: --resume RUN_DIR")
            if run_dir is None and group is not None and group.max_restarts:
                raise click.UsageError("--max-restarts resumes a run in its folder: name it with --run-dir DIR")
            if group is None or run_dir is None or not _is_restart(group, run_dir):
                return None
            folder = run_dir
        from archspec.train.checkpoint.resume import find_run

        return find_run(folder, group)


def _is_restart(group: ProcessGroup, run_dir: Path) -> bool:
    """Whether the run in this folder belongs to the same job, which was restarted since."""
    from archspec.files import is_regular
    from archspec.train.run_dir.saved_options import read_json

    began = is_regular(run_dir / "spec.yaml") and read_json(run_dir / "environment.json").get("job")
    return group.restarts > 0 and began == group.job


def _earlier(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """The callback of --resume: options that are not given keep their earlier values."""
    if value is not None:
        from archspec.train.run_dir.saved_options import earlier_choices, unknown_choices

        if warning := unknown_choices(value):
            tell(warning)
        ctx.default_map = {**earlier_choices(value), **(ctx.default_map or {})}
    return value


def saving_options(function: F) -> F:
    """Add the options. The command gets them as one argument `saving: Saving`."""

    @wraps(function)
    def wrapped(
        *args: Any, when: dict[str, int], keep: int, resume: Path | None, allow_changes: bool, stop_after: int | None,
        **rest: Any,
    ) -> Any:
        return function(*args, saving=Saving(when, keep, resume, allow_changes, stop_after), **rest)

    decorators = [
        click.option("--resume", type=click.Path(file_okay=False, path_type=Path), metavar="RUN_DIR", is_eager=True,
                     callback=_earlier, help="Resume the run in this folder from its newest intact checkpoint."),
        click.option("--allow-changes", is_flag=True,
                     help="With --resume: continue although spec, recipe or data have changed, and keep what still "
                          "fits."),
        click.option("--checkpoint-every", "when", type=EveryType(), default="epoch,5min", show_default=True,
                     help="When to save the run's state: `500steps`, `2epochs`, `10min`, several, or `never`."),
        click.option("--keep-checkpoints", "keep", type=click.IntRange(min=1), default=3, metavar="K",
                     show_default=True, help="Keep the last K checkpoints, and that of the best epoch."),
        click.option("--stop-after-epochs", "stop_after", type=click.IntRange(min=1), metavar="N",
                     help="Save and pause after epoch N, before the run is finished and tested; --resume continues."),
    ]
    result: Any = wrapped
    for decorate in reversed(decorators):
        result = decorate(result)
    return cast("F", result)


def handle_signals(function: F) -> F:
    """Let SIGTERM and SIGINT end the command cleanly. It gets `stop: Stop`, and reports where it stopped."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from archspec.train.signals import Stop, Stopped

        with Stop() as stop:
            try:
                return function(*args, stop=stop, **kwargs)
            except Stopped as stopped:
                tell(f"{stopped.signal}: stopped {stopped.place}")
                raise

    return cast("F", wrapped)


@contextmanager
def name_run_on_stop(folder: Path, saves: Checkpointer) -> Iterator[None]:
    """Let an error or a stop that ends a run early name the run, and how to resume it."""
    from archspec.diagnostics import SpecError
    from archspec.train.signals import Stopped

    try:
        yield
    except Stopped as stopped:
        saved = f"the last checkpoint is {saves.last.name}" if saves.last else "there is no checkpoint yet"
        stopped.place = f"between two steps; {saved}; `{resume_command(folder)}` resumes the run"
        raise
    except Exception as problem:
        found = problem.diagnostics[0] if isinstance(problem, SpecError) else None
        if found is None or found.code not in _NOT_OURS:
            tell(f"run folder: {folder}")
        if found is None:
            raise
        if found.code not in _WAYS_ON or saves.last is None:
            raise
        loss = saves.last_loss
        ruined = found.code == "RUN310" and loss is not None and loss > _RUINED
        way = (_ANEW if ruined else _WAYS_ON[found.code]).format(
            last=saves.last.name, resume=f"`{resume_command(folder)}`", loss=loss
        )
        raise SpecError([replace(found, notes=(*found.notes, way))]) from problem


def resume_command(folder: Path) -> str:
    """The command that resumes the run in a folder."""
    return shell("archspec", "train", "--resume", folder, *named_options())
