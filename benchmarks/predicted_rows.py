"""Summaries of rows that `benchmarks/predict.py` measured elsewhere and that are kept, by machine.

    python benchmarks/predicted_rows.py benchmarks/results/predicted/h200.jsonl

All rows of a machine, and apart those whose predicted step is mostly the host's time (launches) and mostly the
device's. Of the rows of an H200: batches of 8 and 64 in fp32 and bf16, torch 2.11.0, predicted from a calibration of
"the calibrated H200", with the code of commit 3e395ab. The same process measured one row after the other.
Of the rows of a CPU: batches of 2 and 8 (of three large networks 1 and 2) in fp32 and bf16, torch 2.14.1, each in a
process of its own; predicted by the last of five calibrations (`cpu.jsonl`, of `predict.py --calibrate 480`), or all of
them by one of the five (`cpu_by_1.jsonl` to `cpu_by_5.jsonl`; `predict.py --again`); with the code of commit f4dd014.
`cpu_unsteady.jsonl` and `cpu_unsteady_slowest.jsonl` are of a day on which the machine's speed changed, with the code
of 12fe937: by the last of six calibrations, and by the slowest of them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from predict import summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path)
    groups: dict[str, list[dict[str, Any]]] = {}
    for line in parser.parse_args().rows.read_text().splitlines():
        row = json.loads(line)
        names = ["all", f"batch {row['batch']}, {row['precision']}"]
        if "launches" in row:
            names.append(f"mostly the {'host' if row['launches'] > 0.5 else 'device'}'s time")
        for name in names:
            groups.setdefault(f"{row['machine']}, {name}", []).append(row)
    for name, rows in groups.items():
        print(f"\n{name}")
        summary(rows)


if __name__ == "__main__":
    main()
