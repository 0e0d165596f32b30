"""The sweep folder: one atomically written result per trial, so that a restarted sweep only runs what is missing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count, islice, takewhile, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from archspec.atomic_files import claim, make_folder, write_text
from archspec.diagnostics import error
from archspec.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from archspec.sweep.expand import Trial

RESULT_FORMAT: Final = 1
_DIAGNOSIS: Final = re.compile(r"error\[(\w+)\]: (.*)", re.DOTALL)  # in results of an earlier archspec
MAX_RESULT_BYTES: Final = 1 << 24
ORDER: Final = "trials.json"
Status = Literal["done", "paused", "failed", "killed", "stopped"]


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a trial.

    status: done; paused (after the `rung` epochs that a search allowed, before the final test); failed, with
    archspec's diagnosis in `reason`; killed by a signal; stopped by the user. code, message: of the diagnosis; empty
    if there is none, and in results of an earlier archspec. summary: from `archspec train --json`; None if the
    training did not finish. seconds: wall time of the trial's processes, start included.
    """

    id: str
    variant: str
    varied: Mapping[str, Any]
    seed: int
    status: Status
    reason: str = ""
    summary: Mapping[str, Any] | None = None
    params: int = 0
    macs: int = 0
    seconds: float = 0.0
    format: int = field(default=RESULT_FORMAT)
    rung: int | None = None
    code: str = ""
    message: str = ""

    def short_reason(self) -> str:
        """The reason without figures that differ between runs: `RUN310 the gradient is not finite`."""
        code, message = self.code, self.message
        if not code and (old := _DIAGNOSIS.fullmatch(self.reason)):
            code, message = old[1], old[2]
        return f"{code} {message.split(' (')[0].split(' at step ')[0]}" if code else self.reason


class Store:
    """The folder of a sweep.

    `results/ID.json` is the result of a trial, `trials/ID/` its run folder, `specs/ID.yaml` its spec, and
    `logs/ID.log` its output. `trials.json` lists the trials in the order of the sweep.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def attempts(self, trial: str) -> Iterator[Path]:
        """The possible run folders of a trial, one per attempt, whether they exist or not."""
        yield self.folder / "trials" / trial
        for number in count(2):
            yield self.folder / "trials" / f"{trial}-{number}"

    def run_folders(self, trial: str) -> list[Path]:
        """The existing run folders of a trial; the first attempt may have been removed."""
        first, later = next(self.attempts(trial)), islice(self.attempts(trial), 1, None)
        return [*([first] if first.exists() else []), *takewhile(Path.exists, later)]

    def run_folder(self, trial: str) -> Path:
        """The run folder of the latest attempt, or of the first one if there is none yet."""
        folders = self.run_folders(trial)
        return folders[-1] if folders else next(self.attempts(trial))

    def spec(self, trial: str) -> Path:
        """The file of a trial's complete spec."""
        return self.folder / "specs" / f"{trial}.yaml"

    def log(self, trial: str) -> Path:
        """The file of a trial's output."""
        return self.folder / "logs" / f"{trial}.log"

    def _result(self, trial: str) -> Path:
        return self.folder / "results" / f"{trial}.json"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Lock the folder, so that only this process runs trials here. Raises SpecError SWEEP405 if another does."""
        for name in ("trials", "specs", "logs", "results"):
            make_folder(self.folder / name)
        try:
            handle = claim(self.folder)
        except BlockingIOError:
            raise error("SWEEP405", f"another process runs trials in {self.folder}",
                        hint="wait until it has ended, or name another folder with --dir") from None
        try:
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def write_order(self, trials: Mapping[str, str]) -> None:
        """Write the order of the trials, for use of the folder without the sweep file.

        trials: id → the name of its network in tables.
        """
        data = {"format": 1, "trials": list(trials), "variants": list(trials.values())}
        write_text(self.folder / ORDER, json.dumps(data, indent=1) + "\n")

    def order(self) -> dict[str, str]:
        """The trials of the last start of the sweep, in its order: id → the name of its network in tables.

        Empty if it is not known. The names are empty if an earlier archspec wrote the file.
        """
        try:
            found = json.loads(read_regular(self.folder / ORDER, MAX_RESULT_BYTES))
            trials, names = found["trials"], found.get("variants", [])
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}
        if not isinstance(trials, list) or not isinstance(names, list):
            return {}
        pairs = zip_longest(trials, names[: len(trials)], fillvalue="")
        return {trial: name for trial, name in pairs if isinstance(trial, str) and isinstance(name, str)}

    def write_spec(self, trial: Trial) -> None:
        """Write the complete spec of a trial."""
        from archspec.source import dump

        write_text(self.spec(trial.id), dump(dict(trial.data)))

    def save(self, result: Result) -> None:
        """Write the result of a trial, which makes it count as run."""
        write_text(self._result(result.id), json.dumps(asdict(result), indent=2, ensure_ascii=False) + "\n")

    def result(self, trial: str) -> Result | None:
        """The result of a trial; None if there is no valid one."""
        path = self._result(trial)
        try:
            data = json.loads(read_regular(path, MAX_RESULT_BYTES))
            found = Result(**data)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return found if found.id == trial and found.format == RESULT_FORMAT else None

    def results(self, trials: Iterable[str]) -> dict[str, Result]:
        """The existing results, in the order of the trials."""
        found = ((trial, self.result(trial)) for trial in trials)
        return {trial: result for trial, result in found if result is not None}
