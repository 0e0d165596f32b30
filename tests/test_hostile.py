"""`archspec validate` on a corpus of hostile files: whatever they hold, diagnostics come out, in bounded memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import peak_memory_script
from tests.hostile.corpus import CASES

MAX_MEMORY_BYTES = 300 * 10**6

# Runs the command and prints the peak memory of the process on the last line of stderr.
SCRIPT = """
import sys
from archspec.cli import run
code = run(sys.argv[1:])
print(peak_memory_bytes(), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("hostile")
    for name, case in CASES.items():
        content = case.content if isinstance(case.content, bytes) else case.content.encode("utf-8", "surrogatepass")
        (folder / f"{name}.yaml").write_bytes(content)
    files = sorted(str(path) for path in folder.iterdir())
    return subprocess.run(
        [sys.executable, "-c", peak_memory_script() + SCRIPT, "validate", "--json", *files], capture_output=True, text=True, timeout=300,
        check=False, env={**os.environ, "ARCHSPEC_DEBUG": "1"},
    )


def test_the_corpus_is_large() -> None:
    assert len(CASES) >= 100


def test_every_file_is_refused_with_diagnostics(outcome: subprocess.CompletedProcess[str]) -> None:
    assert outcome.returncode == 1, outcome.stderr[-2000:]
    specs = json.loads(outcome.stdout)["specs"]
    assert len(specs) == len(CASES)
    assert [Path(spec["path"]).stem for spec in specs if spec["valid"] or not spec["diagnostics"]] == []


def test_no_file_makes_a_traceback(outcome: subprocess.CompletedProcess[str]) -> None:
    assert "Traceback" not in outcome.stderr
    assert "internal error" not in outcome.stderr


def test_memory_stays_bounded_over_all_of_them(outcome: subprocess.CompletedProcess[str]) -> None:
    assert int(outcome.stderr.splitlines()[-1]) <= MAX_MEMORY_BYTES
