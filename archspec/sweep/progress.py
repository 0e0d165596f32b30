"""Shows the progress of a sweep."""

from __future__ import annotations

import time
from typing import TextIO

from archspec.results.formats import value_text
from archspec.results.trials import Result
from archspec.sweep.expand import Trial
from archspec.text import duration_text


class Progress:
    """Prints a line for each finished trial, with the number of finished trials and the remaining time."""

    def __init__(self, trials: int, done: int, stream: TextIO) -> None:
        self._trials, self._done, self._stream = trials, done, stream
        self._before, self._begin = done, time.monotonic()
        if done:
            self._write(f"{done} of {trials} trials have a result already")

    def started(self, trial: Trial) -> None:
        """Called when a trial starts."""

    def ended(self, result: Result) -> None:
        """Called when a trial has ended."""
        if result.status != "stopped":
            self._done += 1
        values = ", ".join(f"{key} {value_text(value)}" for key, value in result.varied.items() if key != "spec")
        what = " ".join(filter(None, [result.variant, values, f"seed {result.seed}"]))
        ended = f"{outcome(result)}, {duration_text(result.seconds)}{self._left()}"
        self._write(f"[{self._done}/{self._trials}] {what}: {ended}")

    def _left(self) -> str:
        ended, rest = self._done - self._before, self._trials - self._done
        if not ended or not rest:
            return ""
        return f"; {duration_text((time.monotonic() - self._begin) / ended * rest)} left"

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def outcome(result: Result) -> str:
    """The outcome of a trial in a few words."""
    if result.summary is None:
        return f"{result.status}: {result.reason}"
    last = result.summary["last"]
    split = "validation" if "validation_accuracy" in last else "test"
    return f"loss {last['train_loss']:.4g}, {split} accuracy {last[f'{split}_accuracy']:.4f}"
