"""`archspec lsp`; tests/lsp asks a running server."""

from __future__ import annotations

import sys

import pytest

from .conftest import Cli


def test_without_pygls(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n in ("archspec.lsp.server", "archspec.lsp.session")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("pygls", "lsprotocol"):
        monkeypatch.setitem(sys.modules, name, None)
    done = cli("lsp")
    assert done.code == 1 and 'pip install "archspec-nn[lsp]"' in done.err


@pytest.mark.parametrize("delay", ["nan", "inf", "-1"])
def test_a_delay_is_a_number(cli: Cli, delay: str) -> None:
    done = cli("lsp", "--delay", delay)
    assert done.code == 2 and "'--delay'" in done.err


def test_help(cli: Cli) -> None:
    assert "Language Server Protocol" in " ".join(cli("lsp", "--help").out.split())
