"""Saves checkpoints of a run during training, so that it can be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from archspec.atomic_files import check_own_folder, clear_drafts, make_folder, remove_folder
from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback, Phase
from archspec.train.checkpoint.state import capture
from archspec.train.checkpoint.storage import NAMES, Found, checkpoint_bytes, checkpoints, next_serial, write_checkpoint
from archspec.train.run import Run
from archspec.train.run_dir.full_disk import explain_write_failures
from archspec.train.summary import best_epoch

KEEP: Final = 3
FOLDER: Final = "checkpoints"  # in the run folder


@dataclass(frozen=True, slots=True)
class Every:
    """Save after this many steps, epochs or seconds, whichever comes first; if none is set, only when the run stops."""

    steps: int | None = None
    epochs: int | None = 1
    seconds: float | None = 300.0

    @property
    def never(self) -> bool:
        """Whether to save only when the run stops."""
        return self == Every(None, None, None)


class Checkpointer(Callback):
    """Keeps the last `keep` checkpoints and the one of the best epoch in `folder`.

    digest, conditions: compared when the run is resumed, see `compatibility`. before_save: called before anything is
    written, see `RunFolder.check`. If a save fails during training, it is reported, training continues, and the next
    save is tried when it is due, so a full disk does not end the run.
    Only rank 0 creates a Checkpointer; with FSDP every rank does, and rank 0 writes.
    """

    phase = Phase.SAVE

    def __init__(
        self, folder: Path, *, digest: str = "", conditions: Mapping[str, JsonValue] | None = None,
        every: Every | None = None, keep: int = KEEP, before_save: Callable[[Run], None] = lambda run: None,
    ) -> None:
        if keep < 1:
            raise ValueError(f"at least one checkpoint must be kept, not {keep}")
        self.folder, self.keep, self.every = folder, keep, every or Every()
        self._before_save = before_save
        self._digest, self._conditions = digest, dict(conditions or {})
        self._best: str | None = None
        self._next = 0.0
        self.last: Path | None = None  # the newest valid checkpoint, and the state that it holds
        self.last_loss: float | None = None  # of this checkpoint, see `Snapshot.last_loss`
        self._saved: tuple[int, int] | None = None
        self._damaged: list[Path] = []

    def goes_on_from(self, found: Found) -> None:
        """Continue after this checkpoint. Damaged ones are removed when the next is written."""
        self.last, self._damaged = found.path, list(found.damaged)
        self.last_loss = found.saved.last_loss()
        best = found.saved.state.best
        self._best = None if best is None or self.folder / best in found.damaged else best

    def on_start(self, run: Run) -> None:
        """Remove unfinished files of a killed run."""
        check_own_folder(self.folder)
        clear_drafts(self.folder, NAMES)
        self._next = time.monotonic() + (self.every.seconds or 0)

    def on_step(self, run: Run) -> None:
        """Save if a save is due by time or steps."""
        every = self.every
        due = bool(every.steps and run.state.step % every.steps == 0)
        if _decided(run, due or bool(every.seconds and time.monotonic() >= self._next)):
            self._try(run)

    def on_epoch(self, run: Run) -> None:
        """Save if a save is due by epochs, or if the epoch is the best so far."""
        is_best = best_epoch(run.state.results, run.criterion) is run.state.results[-1]
        if (self.every.epochs and run.state.epoch % self.every.epochs == 0) or (is_best and not self.every.never):
            self._try(run, is_best=is_best)

    def on_stop(self, run: Run) -> None:
        """Save the current state."""
        self._try(run)

    def on_finish(self, run: Run) -> None:
        """Save the final state, so that the run can continue with more epochs."""
        if not self.every.never:
            self._try(run)

    def _try(self, run: Run, *, is_best: bool = False) -> None:
        if _decided(run, self._saved == (run.state.step, run.state.epoch)):
            return
        run.policy.before_save(run)
        try:
            self.save(run, is_best=is_best)
        except SpecError as problem:
            (failure,) = problem.diagnostics
            if failure.code == "RUN336":  # another run has taken over the folder
                raise
            last = f"the last checkpoint is {self.last}" if self.last else "there is no checkpoint yet"
            run.notify(f"warning[{failure.code}]: {failure.message}; {last}")
        self._next = time.monotonic() + (self.every.seconds or 0)

    def save(self, run: Run, *, is_best: bool = False) -> None:
        """Write a checkpoint, then remove old ones. Raises SpecError RUN313; earlier checkpoints stay intact."""
        if run.runtime.group.leads:
            self._before_save(run)
        path = self.folder / f"{next_serial(self.folder):05d}-step-{run.state.step}"
        best = path.name if is_best else self._best
        saved = capture(run).about(digest=self._digest, conditions=self._conditions, best=best)
        if not run.runtime.group.leads:
            return
        with explain_write_failures("a checkpoint", path, checkpoint_bytes(saved)):
            check_own_folder(self.folder)
            make_folder(self.folder)
            write_checkpoint(path, saved)
        self.last, self._best, self._saved = path, best, (run.state.step, run.state.epoch)
        self.last_loss = saved.last_loss()
        self._prune()

    def _prune(self) -> None:
        """Remove the oldest checkpoints. A failed removal is tried again after the next save; links are not removed."""
        sound = [path for path in checkpoints(self.folder) if path not in self._damaged and not path.is_symlink()]
        for path in [*self._damaged, *sound[: -self.keep]]:
            if path.name != self._best:
                with suppress(OSError):
                    remove_folder(path, NAMES)


def _decided(run: Run, mine: bool) -> bool:
    """With FSDP the decision of process 0, which has the clock and writes: all processes must save, or none."""
    return run.runtime.group.broadcast_flag(mine) if run.runtime.group.sharded else mine
