"""The settings in docs/editors.md can be read, and start the server."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from archspec.cli import COMMANDS

PAGE = (Path(__file__).parents[2] / "docs" / "editors.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_helix() -> None:
    (text,) = blocks("toml")
    settings = tomllib.loads(text)
    server = settings["language-server"]["archspec"]
    assert [server["command"], *server["args"]] == ["archspec", "lsp"]
    assert settings["language"][0]["language-servers"] == ["archspec"]


def test_vs_code() -> None:
    server, schemas = map(json.loads, blocks("json"))
    assert [server["glspc.server.command"], *server["glspc.server.commandArguments"]] == ["archspec", "lsp"]
    assert all(name.endswith(".schema.json") for name in schemas["yaml.schemas"])


def test_neovim() -> None:
    (text,) = blocks("lua")
    assert 'cmd = { "archspec", "lsp" }' in text and 'vim.lsp.enable("archspec")' in text


def test_the_commands_exist() -> None:
    assert set(re.findall(r"`archspec ([a-z]+)", PAGE)) <= COMMANDS.keys()
