"""What the machine lacks is not called a bug in archspec."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from archspec.cli.shortage import shortage_of

from .conftest import ROOT, Cli


def test_an_address_space_that_is_too_small() -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))

    done = subprocess.run(
        [sys.executable, "-m", "archspec", "profile", "lenet"], capture_output=True, text=True, cwd=ROOT, timeout=60,
        check=False, preexec_fn=limit,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "error: out of memory: a library cannot be loaded\n"
        "  = hint: `ulimit -v` limits this process to 953.67 MiB of address space: raise it\n"
    )


@pytest.mark.parametrize(
    ("exception", "message"),
    [
        (MemoryError(), "out of memory"),
        (ImportError("libx.so: failed to map segment from shared object", name="torch._C"), "out of memory: a library cannot be loaded"),
        (ImportError("libx.so: failed to map segment from shared object: Operation not permitted"), "an installed package does not work"),
        (ImportError("libcudart.so.12: cannot open shared object file", name="torch"), "an installed package does not work: libcudart"),
        (ModuleNotFoundError("No module named 'rich'", name="rich"), "an installed package does not work: No module named 'rich'"),
        (RuntimeError("can't start new thread"), "the system refuses to start another thread"),
    ],
)
def test_what_the_machine_lacks(cli: Cli, monkeypatch: pytest.MonkeyPatch, exception: Exception, message: str) -> None:
    def fail() -> None:
        raise exception

    monkeypatch.setattr("archspec.language.schema.json_schema", fail)
    done = cli("schema")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: {message}")
    assert "\n  = hint: " in done.err
    assert "bug in archspec" not in done.err


@pytest.mark.parametrize(
    "exception", [ImportError("cannot import name", name="archspec.language"), RuntimeError("dictionary changed size"), KeyError("x")]
)
def test_faults_of_the_program_stay_its_own(exception: Exception) -> None:
    assert shortage_of(exception) is None
