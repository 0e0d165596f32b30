"""How the command line shows layers that run with the weights of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archspec.cli import run

TEXT = """\
archspec: 1
name: shared
input: [3, 16, 16]
stages:
  tower: [conv2d: {out_channels: 8, kernel_size: 3}, batch_norm2d, global_avg_pool2d, flatten]
  low: {avg_pool2d: 2, from: input}
  twin: {share: tower}
  mix: {concat: {a: {from: tower}, b: []}}
  deep: [{sequential: [linear: 16, relu], repeat: 4, share: true}]
  head: {linear: 2}
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "shared.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def test_a_shared_run_is_marked_once_and_has_no_parameters(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", "--static", "--depth", "3", spec]) == 0
    rows = [line.strip(" │├└").split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    marked = [row for row in rows if "shared with" in row]
    assert marked == ["twin shared with tower", "1–3 ×3 shared with deep.sequential_1.0"]


def test_json_names_the_owner_of_each_layer(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", "--static", "--json", spec]) == 0
    report = json.loads(capsys.readouterr().out)
    shared = {x["path"]: x["shared_with"] for x in report["layers"] if "shared_with" in x}
    first = "deep.sequential_1.0.linear_1"
    assert shared == {
        "twin.conv2d_1": "tower.conv2d_1", "twin.batch_norm2d_1": "tower.batch_norm2d_1",
        **{f"deep.sequential_1.{k}.linear_1": first for k in (1, 2, 3)},
    }
    assert sum(x["params"] for x in report["layers"]) == report["totals"]["params"] == 8 * 27 + 8 + 16 + 16 * 17 + 34
