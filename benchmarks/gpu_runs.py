"""Trains on a GPU, in a limited time, what takes hours on a CPU: the tuned recipes and the sources' large networks.

    python benchmarks/gpu_runs.py DATA WORK OUT --seconds 560

DATA holds the four files of Fashion-MNIST. Queues of sweeps run beside each other. At the
end of the time every sweep saves and stops; the same command continues in WORK.
OUT receives `results/NETWORK.jsonl` (see archive.py), the winners of the searches and a log. Run it from the
repository: what is imported is this checkout. `--rehearse` trains on a
few images, to try the script out.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from archive import add, runs_in

ROOT: Final = Path(__file__).resolve().parents[1]
SWEEPS: Final = ROOT / "benchmarks" / "sweeps"
PATIENCE_S: Final = 25.0  # between the request to stop and the end
SEEDS: Final = [10, 11, 12, 13, 14]  # that no search has seen


@dataclass(frozen=True)
class Step:
    """A sweep: a file in `sweeps/`, the final runs of a search (`final`), or runs written out here (`runs`)."""

    name: str
    jobs: int
    file: str = ""
    final: str = ""
    spec: str = ""
    runs: Sequence[Mapping[str, Any]] = ()
    seeds: Sequence[int] = (0,)
    options: Sequence[str] = ("--precision", "tf32")


NHWC: Final = ("--precision", "tf32", "--channels-last")
BF16: Final = ("--precision", "bf16", "--channels-last")


def tuned(network: str, search_jobs: int, options: Sequence[str] = ("--precision", "tf32")) -> list[Step]:
    """The search of a network, then its winner with five new seeds."""
    search = f"tuned/{network}.yaml"
    return [
        Step(f"{network}_tuned", search_jobs, file=search, options=options),
        Step(f"{network}_final", len(SEEDS), final=search, seeds=SEEDS, options=options),
    ]


def rows(network: str, jobs: int, *recipes: str, seeds: Sequence[int] = (0,), options: Sequence[str] = NHWC) -> Step:
    """Runs of the sources; with a constant rate the longest of a rate gives the shorter ones too."""
    return Step(f"{network}_{recipes[0]}", jobs, spec=network, runs=[{"recipe": name} for name in recipes],
                seeds=seeds, options=options)


# Five trials of one network use an H200 fully; more, or several networks at once, slow each other down (docs/gpu.md).
QUEUES: Final[list[list[Step]]] = [
    [
        Step("resnet18_96_final", len(SEEDS), file="tuned/resnet18_96_final.yaml", options=NHWC),
        *tuned("googlenet", 5, BF16),
        rows("alexnet", 2, "alexnet-06", "alexnet-02"),
        rows("vgg_small", 2, "vgg-06", "vgg-03"),
        rows("resnet18_96", 2, "resnet-06", "resnet-02"),
        rows("nin", 2, "nin-02", seeds=(0, 1)),
    ],
]


@dataclass
class Session:
    """Where everything lies, and what runs now."""

    data: Path
    work: Path
    out: Path
    rehearse: bool
    stopping: bool = False
    running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    began: float = field(default_factory=time.monotonic)

    def note(self, text: str) -> None:
        """A line for the log."""
        line = f"{time.monotonic() - self.began:6.1f} s  {text}"
        print(line, flush=True)
        with (self.out / "log.txt").open("a", encoding="utf-8") as log:
            print(line, file=log)

    def run_queue(self, steps: Sequence[Step]) -> None:
        """One after the other; what fails ends its queue."""
        for step in steps:
            if self.stopping or not self._run(step):
                return

    def _run(self, step: Step) -> bool:
        file = self._file(step)
        if file is None:
            self.note(f"{step.name}: its search has no winner")
            return False
        command = [
            sys.executable, "-m", "archspec", "sweep", str(file), "--dir", str(self.work / step.name), "--jobs",
            str(step.jobs), "--threads", "1", "--no-trials", "--json", *step.options,
        ]
        self.note(f"{step.name}: starts")
        with (self.work / f"{step.name}.log").open("ab") as log, (self.work / f"{step.name}.json").open("wb") as shown:
            process = subprocess.Popen(
                command, stdout=shown, stderr=log, env=self._environment(), start_new_session=True,
            )
            self.running.add(process)
            code = process.wait()
        self.running.discard(process)
        self.note(f"{step.name}: ends with {code}")
        return code == 0 or (code == 1 and not self.stopping)  # 1: a trial has failed, the others have not

    def _environment(self) -> dict[str, str]:
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]  # trials and archive.py are of one version
        return {
            **os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1",
            "ARCHSPEC_DATA": str(self.data), "XDG_CACHE_HOME": str(self.work / "cache"),
        }

    def _file(self, step: Step) -> Path | None:
        """The sweep's file, written where it is not one of the repository."""
        source: dict[str, Any]
        if step.file:
            source = yaml.safe_load((SWEEPS / step.file).read_text(encoding="utf-8"))
        else:
            runs = [dict(run) for run in step.runs]
            source = {"archspec-sweep": 1, "name": step.name, "spec": step.spec, "runs": runs}
        if step.final:
            best = winner(self.work / f"{step.name.removesuffix('_final')}_tuned.json", SWEEPS / step.final)
            if best is None:
                return None
            (self.out / f"{step.name}.json").write_text(json.dumps(best), encoding="utf-8")
            source |= {"spec": best["spec"], "runs": [best["settings"]]}
        if not step.file:
            source["seeds"] = list(step.seeds)
        if self.rehearse:
            source |= {"limit_train": 400, "limit_test": 100}
        path = self.work / f"{step.name}.yaml"
        path.write_text(yaml.safe_dump(source, sort_keys=False), encoding="utf-8")
        return path

    def stop(self) -> None:
        """Ask every sweep to save and stop; end what does not."""
        self.stopping = True
        for process in list(self.running):
            process.send_signal(signal.SIGINT)
        limit = time.monotonic() + PATIENCE_S
        while self.running and time.monotonic() < limit:
            time.sleep(0.2)
        for process in list(self.running):
            os.killpg(process.pid, signal.SIGKILL)

    def archive(self) -> None:
        """The runs, as the repository keeps them."""
        results = self.out / "results"
        for folder in sorted(path for path in self.work.iterdir() if (path / "trials").is_dir()):
            found = list(runs_in(folder))
            self.note(f"{folder.name}: {len(found)} runs, {add(found, results)} new or changed")


def winner(shown: Path, search: Path) -> dict[str, Any] | None:
    """The winner of a search. shown: what `archspec sweep --json` has printed of it."""
    ranking = json.loads(shown.read_text(encoding="utf-8") or "{}")
    if not ranking.get("winners"):
        return None
    best = next(trial for trial in ranking["trials"] if trial["id"] == ranking["winners"][0])
    text = yaml.safe_load(search.read_text(encoding="utf-8"))
    return {"spec": text["spec"], "settings": text["set"] | best["varied"], "trial": best}


def main() -> None:
    """Run the queues until all are done or the time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "work", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--seconds", type=float, required=True, help="after which every sweep saves and stops")
    parser.add_argument("--rehearse", action="store_true", help="train on a few images")
    given = parser.parse_args()
    for folder in (given.work, given.out):
        folder.mkdir(parents=True, exist_ok=True)
    session = Session(given.data.resolve(), given.work.resolve(), given.out.resolve(), given.rehearse)
    threads = [threading.Thread(target=session.run_queue, args=(steps,), daemon=True) for steps in QUEUES]
    for thread in threads:
        thread.start()
    end = session.began + given.seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    session.stop()
    session.archive()


if __name__ == "__main__":
    main()
