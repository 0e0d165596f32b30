"""From a keystroke to its diagnostics: the language server, asked over its standard streams as an editor does.

Each keystroke inserts or removes one character of an open file, with incremental sync and no delay; the time ends when
the diagnostics of that version have arrived. Three kinds: in the description, in the network (which makes `expect`
wrong), and a bracket that leaves the YAML broken. CPU is the server's own, all threads: on a busy machine the wall time
shows what others do. Wanted: at most 50 ms for resnet152.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from common import ROOT, rounds_option, show_place, show_table

sys.path.insert(0, str(ROOT))

from tests.lsp.client import Client

KINDS = {  # network → kind → (where the character goes, the character)
    "resnet152": {"text": ("description: ", "x"), "network": ("depths: [", "1"), "broken": ("depths: ", "[")},
    "resnet18": {"text": ("description: ", "x"), "network": ("depths: [2, ", "1"), "broken": ("depths: ", "[")},
    "zoo/inception_v3": {"text": ("description: ", "x"), "network": ("conv: [32, ", "1"), "broken": ("mixed7: ", "[")},
    "lenet": {"text": ("description: ", "x"), "network": ("out_channels: ", "1"), "broken": ("pool1: ", "{")},
}


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100  # in ticks of 10 ms


def place(text: str, before: str) -> dict[str, int]:
    start = text[: text.index(before) + len(before)]
    return {"line": start.count("\n"), "character": len(start.rpartition("\n")[2])}


def measure(client: Client, name: str, before: str, char: str, rounds: int) -> tuple[list[float], float]:
    """Milliseconds of each keystroke, and the server's mean CPU time of one."""
    text = (client.folder / name).read_text(encoding="utf-8")
    client.open(name)
    start = place(text, before)
    end = {**start, "character": start["character"] + 1}
    times, cpu = [], cpu_seconds(client.process.pid)
    for version in range(2, 2 * rounds + 2):
        change = {"range": {"start": start, "end": start}, "text": char} if version % 2 == 0 else \
            {"range": {"start": start, "end": end}, "text": ""}
        begin = time.perf_counter()
        client.change(name, version, change)
        client.diagnostics(name, version)
        times.append(1000 * (time.perf_counter() - begin))
    return times, 1000 * (cpu_seconds(client.process.pid) - cpu) / len(times)


def main() -> None:
    rounds = rounds_option(100).rounds
    show_place(["pygls"])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        specs = Path(folder) / "specs"
        shutil.copytree(ROOT / "specs", specs)
        for name, kinds in KINDS.items():
            client = Client(specs, "--delay", "0")
            for kind, (before, char) in kinds.items():
                measure(client, f"{name}.yaml", before, char, 3)
                times, cpu = measure(client, f"{name}.yaml", before, char, rounds)
                figures = [statistics.median(times), statistics.quantiles(times, n=20)[-1], cpu]
                rows.append([name, kind, *(f"{figure:.1f}" for figure in figures), str(len(times))])
            assert client.end() == 0
    show_table(["network", "keystroke in", "median, ms", "p95, ms", "server's CPU, ms", "keystrokes"], rows)


if __name__ == "__main__":
    main()
