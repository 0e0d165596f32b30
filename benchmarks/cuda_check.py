"""Runs tests/cuda and the throughput table part by part, each within its own time; see cuda_check.sh.

Each part is a process of its own that is ended at its limit, so that one that hangs loses nothing but itself. The JSON
is written anew after each part.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DEVICE = os.environ.get("ARCHSPEC_CHECK_DEVICE", "cuda:0")
TOTAL_S = 470.0  # for all parts
PATIENCE_S = 5.0  # between the request to end and the end
ALONE = ("memory",)  # tests that want the card for themselves
# Network: settings of archspec in train_throughput.py, seconds. No search: it takes a minute or more.
THROUGHPUT = {
    "googlenet": ("bf16 channels-last", 50), "resnet18_96": ("bf16 channels-last", 50),
    "alexnet28": ("bf16 channels-last", 45), "lenet": ("tf32", 45),
}
PACKAGES = ("torch", "torchvision", "triton", "numpy", "pydantic", "safetensors", "click", "pytest")
ABOUT = """
import json, torch
cuda = torch.cuda.is_available()
print(json.dumps({
    "name": torch.cuda.get_device_name(0) if cuda else "no GPU", "cuda": torch.version.cuda,
    "cudnn": torch.backends.cudnn.version(), "memory_bytes": torch.cuda.mem_get_info(0)[1] if cuda else None,
    "capability": list(torch.cuda.get_device_capability(0)) if cuda else None,
}))
"""


@dataclass
class Part:
    """name; command: what is run; limit_s: how long it may take. The rest is what came of it.

    outcome: passed, failed, timeout, or left out where no time was left. records: lines of JSON that it wrote.
    """

    name: str
    command: list[str]
    limit_s: float
    outcome: str = "waiting"
    exit_code: int | None = None
    seconds: float = 0.0
    records: list[dict[str, Any]] = field(default_factory=list)


class Check:
    """All parts, and the two files that they leave."""

    def __init__(self, data: Path, out: Path) -> None:
        self.out, self.began, self.started = out, time.monotonic(), datetime.now(UTC)
        self.scratch = Path(tempfile.mkdtemp(prefix="archspec-check-"))
        self.environment = {
            **os.environ, "ARCHSPEC_DATA": str(data), "ARCHSPEC_CHECK_DEVICE": DEVICE,
            "XDG_CACHE_HOME": str(self.scratch),
            "TORCHINDUCTOR_CACHE_DIR": str(self.scratch / "inductor"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        self.log = (out / "cuda_check.log").open("w", encoding="utf-8")
        self.about: dict[str, Any] = {}
        self.parts: list[Part] = []
        self._lock = Lock()

    def run(self, part: Part) -> None:
        """Run a part, and note what came of it."""
        records = self.scratch / f"{part.name}.jsonl"
        environment = {**self.environment, "ARCHSPEC_CHECK_RECORDS": str(records)}
        limit = min(part.limit_s, TOTAL_S - (time.monotonic() - self.began))
        output = ""
        if limit > PATIENCE_S:
            with (self.scratch / f"{part.name}.out").open("w+", encoding="utf-8", errors="replace") as file:
                start = time.monotonic()
                part.exit_code = ended(part.command, limit, file, environment)
                part.seconds = round(time.monotonic() - start, 1)
                file.seek(0)
                output = file.read()
            part.outcome = {0: "passed", None: "timeout"}.get(part.exit_code, "failed")
        else:
            part.outcome = "left out"
        if records.exists():
            part.records = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]
        self.note(part, output)

    def note(self, part: Part, output: str) -> None:
        """Into the log and the JSON; one line for whoever looks on."""
        line = f"{part.name:<24} {part.outcome:<9} {part.seconds:6.1f} s  {tests_text(part)}"
        with self._lock:
            print(line, flush=True)
            self.log.write(f"\n===== {line}\n$ {' '.join(part.command)}\n{output}\n")
            self.log.flush()
            self.write()

    def write(self) -> None:
        """The JSON as it stands."""
        text = json.dumps({
            "format": 1, "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self.began, 1), "rehearsal": DEVICE == "cpu", "device": self.about,
            "versions": versions(), "platform": platform.platform(), "cpus": os.cpu_count(),
            "outcomes": Counter(part.outcome for part in self.parts),
            "tests": Counter(record["outcome"] for part in self.parts for record in part.records if "test" in record),
            "parts": [asdict(part) for part in self.parts],
        }, indent=1)
        new = self.out / ".cuda_check.json"
        new.write_text(text, encoding="utf-8")
        new.replace(self.out / "cuda_check.json")


def ended(command: list[str], limit: float, output: Any, environment: dict[str, str]) -> int | None:
    """The exit code of a command; None where its time was up. Whatever it has started ends with it."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                               stderr=subprocess.STDOUT, start_new_session=True)
    code: int | None = None
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return code


def tests_text(part: Part) -> str:
    """`12 passed, 1 failed: test_a`, or the figures of a throughput."""
    tests = [record for record in part.records if "test" in record]
    if not tests:
        return ", ".join(
            f"{row['archspec_images_per_s']['median']:,.0f} images/s ({row['settings']}), the baseline "
            f"{row['baseline_images_per_s']['median']:,.0f}" for row in part.records
        )
    counts = Counter(record["outcome"] for record in tests)
    bad = [record["test"].rpartition("::")[2] for record in tests if record["outcome"] == "failed"]
    return ", ".join(f"{n} {outcome}" for outcome, n in counts.items()) + (f": {', '.join(bad)}" if bad else "")


def versions() -> dict[str, str]:
    """Of Python and of what archspec builds upon."""
    sys.path.insert(0, str(ROOT))
    import archspec

    found = {"archspec": archspec.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def test_parts() -> Iterator[Part]:
    """A part for each file of tests/cuda."""
    options = ["-p", "no:cacheprovider", "-q", "-rs", "-o", "faulthandler_timeout=75"]
    for path in sorted((ROOT / "tests" / "cuda").glob("test_*.py")):
        name = path.stem.removeprefix("test_")
        yield Part(name, [sys.executable, "-m", "pytest", *options, str(path.relative_to(ROOT))], 150)


def throughput_parts() -> Iterator[Part]:
    """A part for each network of the table."""
    script = str(ROOT / "benchmarks" / "train_throughput.py")
    for network, (settings, limit) in THROUGHPUT.items():
        yield Part(f"throughput-{network}", [
            sys.executable, script, network, "--rounds", "2", "--seconds", "2", "--device", DEVICE,
            "--settings", "fp32" if DEVICE == "cpu" else settings,
        ], limit)


def main() -> int:
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    wanted = sys.argv[3:]  # names of parts; default all
    check = Check(data, out)
    asked = subprocess.run([sys.executable, "-c", ABOUT], capture_output=True, text=True, timeout=120, check=False)
    check.about = json.loads(asked.stdout) if asked.returncode == 0 else {"error": asked.stderr[-2000:]}
    print(f"{check.about}", flush=True)
    parts = [*test_parts(), *throughput_parts()]
    check.parts = [part for part in parts if not wanted or part.name in wanted]
    alone = [part for part in check.parts if part.name in ALONE or part.name.startswith("throughput")]
    together = [part for part in check.parts if part not in alone]
    with ThreadPoolExecutor(max(1, min(6, (os.cpu_count() or 1) // 2))) as pool:
        list(pool.map(check.run, together))
    for part in alone:
        check.run(part)
    counts = Counter(part.outcome for part in check.parts)
    print(f"{time.monotonic() - check.began:.0f} s: " + ", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    check.write()
    check.log.close()
    return 0 if set(counts) == {"passed"} else 1


if __name__ == "__main__":
    sys.exit(main())
