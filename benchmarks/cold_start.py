"""How long a person waits for `archspec validate`, beside a script that prints torchinfo's summary.

Whole processes, from start to exit, of this Python. Wanted: at most 1/12 of the script's time.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from common import ROOT, alternate, rounds_option, show_place, show_table

VALIDATE = [sys.executable, "-m", "archspec", "validate", "specs/resnet152.yaml"]
SUMMARY = [sys.executable, "-c", """
import torchinfo, torchvision
torchinfo.summary(torchvision.models.resnet18(), input_size=(1, 3, 224, 224), verbose=1)
"""]
WANTED = 12


def process(command: list[str]) -> Callable[[], object]:
    return lambda: subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)


def main() -> None:
    rounds = rounds_option(15).rounds
    show_place(["torch", "torchvision", "torchinfo"])
    times = alternate({"ours": process(VALIDATE), "theirs": process(SUMMARY)}, rounds)
    ratio = times["theirs"].over(times["ours"])
    show_table(
        ["archspec validate resnet152, ms", "torchinfo's summary of resnet18, ms", "times faster", "wanted", "rounds"],
        [[times["ours"].text(1000, 0), times["theirs"].text(1000, 0), ratio.text(), f"≥ {WANTED}", str(rounds)]],
    )


if __name__ == "__main__":
    main()
