"""The program as a whole: the list of commands, exit codes, streams, and what is imported."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

import archspec as package
from archspec.cli import COMMANDS, run
from archspec.diagnostics import error

from .conftest import ROOT, Cli, archspec, python

HEAVY = ("torch", "torchvision", "numpy", "rich", "asyncio", "tensorboard", "sklearn")


def imported_by(*arguments: str) -> set[str]:
    code = (
        "import sys\nfrom archspec.cli import run\nassert run(sys.argv[1:]) == 0\n"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = python(code, *arguments, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_of_the_table_is_there_and_has_help(cli: Cli, name: str) -> None:
    module, text = COMMANDS[name]
    assert isinstance(import_module(module).command, click.Command)
    done = cli(name, "--help")
    assert done.code == 0
    assert f"archspec {name}" in done.out
    assert text.endswith(".")


def test_help_lists_the_commands(cli: Cli) -> None:
    done = cli("--help")
    assert done.code == 0
    assert done.err == ""
    for name in COMMANDS:
        assert f"\n  {name} " in done.out


def test_help_imports_no_command() -> None:
    assert not {module for module, _ in COMMANDS.values()} & imported_by("--help")


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate", "specs/resnet152.yaml"),
        ("list", "ops"),
        ("explain", "SHAPE101"),
        ("schema",),
        ("profile", "--static", "--json", "resnet18"),
        ("profile", "--static", "--csv", "resnet18"),
        ("profile", "--static", "--csv", "--batch-size", "1,8", "resnet18"),
    ],
    ids=lambda a: a[0],
)
def test_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not imported_by(*arguments).intersection(HEAVY)


def test_checking_a_spec_imports_no_simulation_of_a_step() -> None:
    parts = {name.split(".")[1] for name in imported_by("validate", "specs/resnet18.yaml") if name.startswith("archspec.")}
    assert "analysis" in parts
    assert not parts & {"execution", "devices", "capacity", "show", "difference", "backends", "profile", "train"}


def test_checking_a_good_spec_imports_no_more_than_it_needs() -> None:
    modules = imported_by("validate", "specs/resnet152.yaml")
    assert not modules & {"json", "difflib", "archspec.api.sizes", "archspec.analysis.parts", "archspec.data.validation", "archspec.api.report"}
    assert not modules & {f"archspec.ops.{file}" for file in ("attention", "softmax", "dropout", "learned", "resize")}
    assert sum(name.startswith("archspec.") for name in modules) < 136


@pytest.mark.parametrize(("command", "frozen"), [("validate", True), ("list", False)])
def test_only_a_check_of_one_spec_ends_without_a_last_collection_of_garbage(command: str, frozen: bool) -> None:
    code = ("import atexit, gc, sys; from archspec.__main__ import main; "
            "atexit.register(lambda: print(gc.get_freeze_count() > 0, gc.isenabled(), file=sys.stderr)); main()")
    done = python(code, command, "specs/lenet.yaml" if frozen else "ops", cwd=ROOT)
    assert (done.returncode, done.stderr.split()) == (0, [str(frozen), str(not frozen)])


@pytest.mark.parametrize("options", [[], ["--batch-size", "1,8", "--target", "h200"]], ids=len)
def test_static_tables_import_rich_but_no_torch(options: list[str]) -> None:
    modules = imported_by("profile", "--static", "lenet", *options)
    assert "rich" in modules
    assert not modules.intersection({"torch", "numpy"})


def test_version(cli: Cli) -> None:
    assert cli("--version").out == f"archspec {package.__version__}\n"


def test_no_command_shows_help_and_is_a_wrong_command_line(cli: Cli) -> None:
    done = cli()
    assert (done.code, done.out) == (2, "")
    assert "validate" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explian"], "similar name exists: explain"),
        (["validate", "--wrong"], "--wrong"),
        (["validate"], "missing argument 'PATH...'"),
        (["profile", "lenet", "--static", "--input", "3x0x2"], "is not a shape"),
        (["profile", "lenet", "--static", "--batch-size", "0"], "batch-size"),
        (["validate", "lenet", "--set", "vars.x"], "is not an assignment"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_wrong_command_line(cli: Cli, arguments: list[str], message: str) -> None:
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err


# -- exceptions ----------------------------------------------------------------------------------------------


def failing(monkeypatch: pytest.MonkeyPatch, exception: BaseException) -> None:
    """Let `archspec schema` raise this."""

    def fail() -> None:
        raise exception

    monkeypatch.setattr("archspec.language.schema.json_schema", fail)


@pytest.mark.parametrize(
    ("exception", "code", "message"),
    [
        pytest.param(error("SPEC010", "unknown key `x`"), 1, "error[SPEC010]: unknown key `x`", id="spec"),
        pytest.param(MemoryError(), 1, "error: out of memory", id="memory"),
        pytest.param(OSError(errno.ENOSPC, "No space left", "/d/f"), 1, "error: no space left: /d/f", id="disk-full"),
        pytest.param(KeyboardInterrupt(), 130, "interrupted", id="ctrl-c"),
        pytest.param(click.Abort(), 130, "interrupted", id="abort"),
        pytest.param(BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, "", id="pipe"),
        pytest.param(SystemExit(143), 143, "", id="exit"),
        pytest.param(SystemExit(), 0, "", id="exit-none"),
        pytest.param(SystemExit("no"), 1, "", id="exit-text"),
        pytest.param(KeyError("boom"), 70, "internal error: KeyError: 'boom'", id="internal"),
        pytest.param(RecursionError("deep"), 70, "internal error: RecursionError: deep", id="recursion"),
    ],
)
def test_exceptions_become_messages_and_codes(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, exception: BaseException, code: int, message: str
) -> None:
    failing(monkeypatch, exception)
    done = cli("schema")
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert (done.err == "") == (message == "")
    assert "Traceback" not in done.err


def test_debug_shows_the_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, KeyError("boom"))
    assert "ARCHSPEC_DEBUG=1" in cli("schema").err
    monkeypatch.setenv("ARCHSPEC_DEBUG", "1")
    done = cli("schema")
    assert done.code == 70
    assert "Traceback" in done.err
    assert "in fail" in done.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("settings", "colour"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
    ids=["terminal", "no-color", "no-color-empty", "dumb"],
)
def test_colour(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], colour: bool) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    failing(monkeypatch, error("SPEC010", "unknown key `x`", notes=["a fact"], hint="remove it"))
    assert run(["schema"]) == 1
    assert ("\x1b[" in terminal.getvalue()) == colour
    plain = __import__("re").sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert plain == "error[SPEC010]: unknown key `x`\n  = note: a fact\n  = hint: remove it\n\n"


# -- in a process of its own -----------------------------------------------------------------------------------


def test_results_on_stdout_and_diagnostics_on_stderr(folder: Path) -> None:
    good, bad = archspec("validate", "good.yaml", cwd=folder), archspec("validate", "bad.yaml", cwd=folder)
    assert (good.returncode, good.stdout, good.stderr) == (0, "1 spec valid\n", "")
    assert (bad.returncode, bad.stdout) == (1, "1 error in 1 of 1 spec\n")
    assert bad.stderr.startswith("error[SPEC012]: ")
    assert "--> bad.yaml:5:27" in bad.stderr


def test_module_can_be_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "archspec", "--version"], capture_output=True, text=True, cwd=ROOT, check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, f"archspec {package.__version__}\n")


def test_a_reader_that_stops_reading_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "archspec", "schema"], stdout=writer, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            check=False, timeout=60,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "archspec", "list"], stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            check=False, timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot write to standard output: no space left on device")
    assert "Traceback" not in done.stderr


def test_interrupt_ends_with_130() -> None:
    code = (
        "import os, signal, archspec.language.schema as s\n"
        "s.json_schema = lambda: os.kill(os.getpid(), signal.SIGINT) or __import__('time').sleep(30)\n"
        "from archspec.cli import main; main()"
    )
    done = python(code, "schema")
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "interrupted\n")


def test_a_terminal_without_unicode_loses_no_result() -> None:
    done = archspec("profile", "lenet", "--static", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "61,706 parameters" in done.stdout
    assert done.stdout.isascii()
