"""The example report and the README's table, from the folder of the LeNet sweep.

    archspec sweep benchmarks/sweeps/lenet.yaml
    python docs/example.py runs/sweep-lenet
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console

from archspec.results.compare import compare
from archspec.results.failures import with_failures
from archspec.results.find import find_runs
from archspec.results.report.page import report_html
from archspec.results.table import comparison_table
from archspec.results.words import summary_lines

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "examples" / "lenet.html"
BEGIN, END = "<!-- example: begin -->\n", "<!-- example: end -->\n"
WIDTH = 118
COMMAND = "$ archspec compare benchmarks/sweeps/lenet.yaml --baseline 1"


def main(folder: Path) -> None:
    """Write both: of the runs that came to their end."""
    records = [record for record in with_failures(find_runs([folder]), folder) if record.status == "finished"]
    records.sort(key=lambda record: (str(record.settings.get("recipe")), record.seed or 0))
    comparison = compare(records, baseline=0)
    out = io.StringIO()
    table, _ = comparison_table(comparison, WIDTH)
    Console(file=out, width=WIDTH).print(table)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    text = "\n".join([COMMAND, *filter(None, lines), *summary_lines(comparison)])
    readme = ROOT / "README.md"
    pattern = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)
    block = f"{BEGIN}```console\n{text}\n```\n{END}"
    readme.write_text(pattern.sub(lambda _: block, readme.read_text(encoding="utf-8")), encoding="utf-8")
    PAGE.parent.mkdir(exist_ok=True)
    page = report_html(records, title="LeNet: the sources' runs")
    PAGE.write_text(page, encoding="utf-8")
    print(f"{PAGE}: {len(page) / 1000:.0f} KB of {len(records)} runs")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
