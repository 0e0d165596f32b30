"""`python -m tests.planted [NAME…] [--jobs N]` plants faults, one at a time, and says which test catches each.

NAME: a part of a fault's name, for those only. Exit code 1 if fewer than 95 % are caught, or if a test that catches one
fails without it too.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.planted.faults import FAULTS
from tests.planted.plant import Fault, Outcome, copied, outcome_of, run

ENOUGH: Final = 0.95


def main(arguments: Sequence[str] | None = None, faults: Sequence[Fault] = FAULTS) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description="Plant faults, and see which test catches each.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a part of a fault's name")
    parser.add_argument("--jobs", type=int, default=1, help="faults at a time")
    given = parser.parse_args(arguments)
    chosen = [fault for fault in faults if not given.names or any(name in fault.name for name in given.names)]
    if not chosen:
        parser.error("no fault has such a name")
    start, catching = time.monotonic(), list[str]()
    with TemporaryDirectory(prefix="sound-") as folder, ThreadPoolExecutor(given.jobs) as pool:
        sound = copied(Path(folder))
        for fault, outcome in zip(chosen, pool.map(partial(outcome_of, sound=sound), chosen), strict=True):
            catching += [outcome.caught] if outcome.caught else []
            print(f"{fault.name} (archspec/{fault.file}): {_words(outcome)}", flush=True)
        without = run(sound, sorted({*catching})) if catching else Outcome()
    share = len(catching) / len(chosen)
    print(f"{len(catching)} of {len(chosen)} caught ({int(100 * share)} %) in {time.monotonic() - start:.0f} s")
    if without != Outcome():
        print(f"without any fault: {without.trouble or f'{without.caught} fails too'}")
        return 1
    return 0 if share >= ENOUGH else 1


def _words(outcome: Outcome) -> str:
    return f"caught by {outcome.caught}" if outcome.caught else outcome.trouble or "not caught"


if __name__ == "__main__":
    sys.exit(main())
