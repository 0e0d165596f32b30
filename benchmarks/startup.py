"""How long until a training has done its first step?

`archspec train lenet` with one batch of training images and one of test images, from the start of the process to its
end: more than its first step, since it tests, saves and reports too. Compared with `import torch, torchvision` alone.
Wanted: at most 1.5 times as long.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from common import ROOT, alternate, rounds_option, show_place, show_table

WANTED = 1.5
IMPORTS = [sys.executable, "-c", "import torch, torchvision"]


def train(folder: Path) -> list[str]:
    return [
        sys.executable, "-m", "archspec", "train", str(ROOT / "specs" / "lenet.yaml"), "--limit-train", "256",
        "--limit-test", "256", "--epochs", "1", "--run-dir", str(folder),
    ]


def main() -> None:
    options = rounds_option(7)
    show_place(["torch", "torchvision"])
    # Both with compiled bytecode, as an installed program has it.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(10**6))

        def run(command: list[str]) -> None:
            subprocess.run(command, check=True, capture_output=True, env=environment)

        times = alternate(
            {"imports": lambda: run(IMPORTS), "train": lambda: run(train(Path(folder) / str(next(numbers))))},
            options.rounds,
        )
    ratio = times["train"].over(times["imports"])
    show_table(
        ["`import torch, torchvision`, s", "a whole training of one step, s", "ratio", "wanted", "rounds"],
        [[times["imports"].text(digits=2), times["train"].text(digits=2), ratio.text(digits=2), f"≤ {WANTED}",
          str(options.rounds)]],
    )


if __name__ == "__main__":
    main()
