"""What `fit` prints can be written into the recipe, and then the step takes the memory that it printed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import archspec
from tests.cli.conftest import Cli, cli

__all__ = ["cli"]

# Ten residual blocks, of which some are recomputed.
DEEP = """archspec: 1
name: deep
input: [3, 32, 32]
blocks: {res: [{add: {main: [conv2d: {out_channels: 16, kernel_size: 3, padding: 1}, relu], skip: []}}]}
stages:
  stem: {conv2d: {out_channels: 16, kernel_size: 3, padding: 1}}
  body: {res: [], repeat: 10}
  head: [global_avg_pool2d, flatten, linear: 10]
"""


@pytest.mark.parametrize("memory", ["12MiB", "17MiB", "20MiB"])
def test_every_change_can_be_pasted_into_the_recipe(cli: Cli, tmp_path: Path, memory: str) -> None:
    spec, pasted = tmp_path / "deep.yaml", tmp_path / "pasted.yaml"
    spec.write_text(DEEP + "train: {data: cifar10, batch_size: 64, epochs: 1, lr: 0.1}\n", encoding="utf-8")
    out = cli("fit", spec, "--memory", memory).out
    options = json.loads(cli("fit", spec, "--memory", memory, "--json").out)["options"]
    recomputed = [option for option in options if option["kind"] == "recompute"]
    assert recomputed
    lines = re.findall(r"^  in full: (.*)$", out, re.MULTILINE)
    assert ("–body" in out) == bool(lines)
    texts = [*lines, *re.findall(r"^  ((?:recompute|freeze|batch_size)[^–]*?)  +[\d.]+ \wiB", out, re.MULTILINE)]
    assert texts
    for text in texts:
        given = [key for key in ("batch_size", "accumulate") if key not in text]
        rest = {"batch_size": "batch_size: 64, ", "accumulate": ""}
        fields = "".join(rest[key] for key in given)
        pasted.write_text(DEEP + f"train: {{data: cifar10, epochs: 1, lr: 0.1, {fields}{text}}}\n", encoding="utf-8")
        assert archspec.check(pasted) == ()
        used = archspec.fits(pasted, memory=memory).usual
        assert used is not None and used.peak_bytes in [option["peak_bytes"] for option in options]


def test_a_long_list_is_printed_in_full_too(cli: Cli, tmp_path: Path) -> None:
    spec = tmp_path / "deep.yaml"
    spec.write_text(DEEP, encoding="utf-8")
    out = cli("fit", spec, "--memory", "12MiB", "--batch-size", "64").out
    short = re.search(r"recompute: \[.*–.*\]", out)
    assert short is not None and "  in full: recompute: [" in out
    (full,) = re.findall(r"^  in full: recompute: \[(.*)\]$", out, re.MULTILINE)
    assert len(full.split(", ")) > 4 and "–" not in full
