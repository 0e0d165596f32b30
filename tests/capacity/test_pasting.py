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
    assert any(option["kind"] == "recompute" for option in options)
    texts = re.findall(r"^  ((?:recompute|freeze|batch_size).*?)  +[\d.]+ \wiB", out, re.MULTILINE)
    assert len(texts) == sum(option["precision"] is None for option in options)
    for text in texts:
        given = [key for key in ("batch_size", "accumulate") if key not in text]
        rest = {"batch_size": "batch_size: 64, ", "accumulate": ""}
        fields = "".join(rest[key] for key in given)
        pasted.write_text(DEEP + f"train: {{data: cifar10, epochs: 1, lr: 0.1, {fields}{text}}}\n", encoding="utf-8")
        assert archspec.check(pasted) == ()
        used = archspec.fits(pasted, memory=memory).usual
        assert used is not None and used.peak_bytes in [option["peak_bytes"] for option in options]


def test_ranges_are_what_they_stand_for() -> None:
    recipe = "train: {{data: cifar10, lr: 0.1, {}}}\n"
    for field, short, full in (
        ("recompute", "[stem, body.2–body.4, head]", ("stem", "body.2", "body.3", "body.4", "head")),
        ("recompute", "body.0–body.1", ("body.0", "body.1")), ("freeze", "[body.8–body.9]", ("body.8", "body.9")),
    ):
        loaded = archspec.load(DEEP + recipe.format(f"{field}: {short}"))
        assert getattr(loaded.recipes["train"], field) == full


@pytest.mark.parametrize(("field", "wrong", "said"), [
    ("recompute: [stem, body.8–body.11]", "body.8–body.11", "the network has no stage or part `body.10`"),
    ("recompute: [body.3–body.1]", "body.3–body.1", "the network has no stage or part `body.3–body.1`"),
    ("freeze: [body.0–body.999999999]", "body.0–body.999999999", "the network has no stage or layer `body.0–body.999999999`"),
    ("freeze: [body.0–head.1]", "body.0–head.1", "the network has no stage or layer `body.0–head.1`"),
    ("freeze: [body.0–body.2, body.1]", "[body.0–body.2, body.1]", "has `body.1` twice"),
])
def test_a_wrong_range_is_told_at_its_place(field: str, wrong: str, said: str) -> None:
    text = DEEP + f"train: {{data: cifar10, lr: 0.1, {field}}}\n"
    first, *_ = [found for found in archspec.check(text) if found.severity == "error"]
    assert first.span is not None and said in first.message
    assert first.span.text[first.span.column - 1 :].startswith(wrong)
    assert first.fix is None or "–" in first.message  # a part of a range is not replaced
