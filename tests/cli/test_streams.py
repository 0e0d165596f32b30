"""Standard streams that are closed, full or no longer read, and Ctrl-C at any moment: one line, and the right code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import ROOT

PROGRAM = [sys.executable, "-W", "error", "-m", "archspec"]
VALID, INVALID, USAGE, LONG = ["validate", "lenet"], ["validate", "no_such.yaml"], ["validate"], ["list"]
TABLE = ["profile", "resnet152", "--static", "--csv"]
full_device = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def shell(arguments: list[str], redirection: str) -> subprocess.CompletedProcess[str]:
    """The program started by a shell with these redirections."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *PROGRAM, *arguments], capture_output=True, text=True,
        cwd=ROOT, timeout=60, check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "redirection", "code", "out", "err"),
    [
        pytest.param(VALID, "<&-", 0, "1 spec valid\n", "", id="stdin-closed"),
        pytest.param(VALID, "2>&-", 0, "1 spec valid\n", "", id="stderr-closed"),
        pytest.param(INVALID, "2>&-", 1, "1 error in 1 of 1 spec\n", "", id="stderr-closed-and-an-error"),
        pytest.param(USAGE, "2>&-", 2, "", "", id="stderr-closed-and-a-wrong-command-line"),
        pytest.param(VALID, ">&-", 1, "", "error: standard output is closed\n", id="stdout-closed"),
        pytest.param(VALID, ">&- 2>&-", 1, "", "", id="both-closed"),
        pytest.param(VALID, "<&- >&- 2>&-", 1, "", "", id="all-closed"),
        pytest.param(VALID, "1</dev/null", 1, "", "error: cannot write to standard output: bad file", id="read-only"),
        pytest.param(VALID, ">/dev/full", 1, "", "error: cannot write to standard output: no space", id="full",
                     marks=full_device),
        pytest.param(LONG, ">/dev/full", 1, "", "error: cannot write to standard output: no space", id="full-and-long",
                     marks=full_device),
        pytest.param(TABLE, ">/dev/full", 1, "", "error: cannot write to standard output: no space", id="full-and-csv",
                     marks=full_device),
        pytest.param(VALID, "2>/dev/full", 0, "1 spec valid\n", "", id="stderr-full", marks=full_device),
        pytest.param(INVALID, "2>/dev/full", 1, "", "", id="stderr-full-and-an-error", marks=full_device),
        pytest.param(USAGE, "2>/dev/full", 2, "", "", id="stderr-full-and-a-wrong-command-line", marks=full_device),
        pytest.param(INVALID, ">/dev/full 2>/dev/full", 1, "", "", id="both-full", marks=full_device),
    ],
)  # fmt: skip
def test_streams(arguments: list[str], redirection: str, code: int, out: str, err: str) -> None:
    done = shell(arguments, redirection)
    assert (done.returncode, done.stdout) == (code, out)
    assert done.stderr.startswith(err) if err else done.stderr == ""
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert done.stderr.count("error") <= 1


def test_a_file_does_not_get_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """Else what is printed would end in it."""
    path = tmp_path / "new.yaml"
    done = shell(["init", str(path)], "2>&- <&-")
    assert done.returncode == 0
    assert path.read_text(encoding="utf-8").startswith("#")
    assert "wrote" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments", [VALID, ["schema"], ["list", "ops"]], ids=lambda a: a[0])
def test_ctrl_c_at_any_moment_leaves_one_line(arguments: list[str]) -> None:
    """From the moment on at which the program's own first line runs."""
    started = "import sys, runpy; sys.argv[1:] = sys.argv[1:]; import archspec.__main__ as m; print('.', flush=True); m.main()"
    for delay_s in (0.0, 0.02, 0.05, 0.1, 0.2):
        process = subprocess.Popen(
            [sys.executable, "-c", started, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert process.stdout is not None and process.stdout.readline() == ".\n"
        time.sleep(delay_s)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) in [(130, "interrupted\n"), (-signal.SIGINT, ""), (0, "")]


def test_ctrl_c_while_the_command_line_is_imported() -> None:
    code = (
        "import os, signal, sys\n"
        "class Slow:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'click': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "import archspec.__main__ as m; m.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_ctrl_c_in_a_callback_that_cannot_raise_is_not_lost() -> None:
    """As in those of the locks of imports: Python prints `Exception ignored in`, and goes on."""
    code = (
        "import os, signal, sys, weakref\n"
        "class Thing: pass\n"
        "class Slow:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'archspec.cli.listing':\n"
        "            thing = Thing()\n"
        "            kept = weakref.ref(thing, lambda _: (os.kill(os.getpid(), signal.SIGINT), len('handled here')))\n"
        "            del thing\n"
        "import archspec.__main__ as m\n"
        "sys.meta_path.insert(0, Slow()); m.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "list", "ops"], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    """As under nohup, or in the background of a script."""
    code = "import os, signal, archspec.__main__ as m; os.kill(os.getpid(), signal.SIGINT); m.main()"
    done = subprocess.run(
        ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", code, *VALID], capture_output=True,
        text=True, cwd=ROOT, timeout=60, check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 spec valid\n", "")


def test_nothing_is_written_to_a_reader_that_has_gone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*PROGRAM, *INVALID], stdout=writer, stderr=writer, cwd=ROOT, check=False, timeout=60
        )
    finally:
        os.close(writer)
    assert done.returncode == 141
