"""`archspec profile` with other inputs: shapes by name, batch size and dtype."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import archspec

from .conftest import Cli


def test_input_batch_and_dtype(cli: Cli) -> None:
    def totals(*options: object) -> dict[str, int]:
        done = cli("profile", "resnet18", "--static", "--json", *options)
        assert done.code == 0, done.err
        found: dict[str, int] = json.loads(done.out)["totals"]
        return found

    one = totals("--input", "1x96x96")
    many = totals("--input", "1x96x96", "--batch-size", 8, "--dtype", "bfloat16")
    assert one["params"] == many["params"] == archspec.analyze("resnet18").params
    assert many["macs"] == 8 * one["macs"]
    assert 2 * many["activation_bytes"] == 8 * one["activation_bytes"]
    assert one["macs"] == archspec.analyze("resnet18", input=(1, 96, 96)).macs < archspec.analyze("resnet18").macs


@pytest.mark.parametrize("text", ["1x96x96", "1,96,96", "[1, 96, 96]", "1×96×96"])
def test_forms_of_an_input(cli: Cli, text: str) -> None:
    done = cli("profile", "resnet18", "--static", "--json", "--input", text)
    assert json.loads(done.out)["input_shape"] == [1, 96, 96]


PAIR = """\
archspec: 1
input: {left: [1, 8, 8], right: {shape: [4], dtype: int64, below: 9}}
stages: {a: [{flatten: , from: left}, linear: 4], b: {flatten: , from: right}}
outputs: [a, b]
"""


def test_shapes_of_inputs_by_name(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "pair.yaml").write_text(PAIR)
    done = cli("profile", tmp_path / "pair.yaml", "--static", "--json", "--input", "left=2x4x4", "--input", "right=7")
    assert json.loads(done.out)["inputs"] == [
        {"name": "left", "shape": [2, 4, 4], "dtype": "float32"}, {"name": "right", "shape": [7], "dtype": "int64", "below": 9},
    ]
    for options, code, message in (
        (["--input", "3"], 1, "write `--input left=3`"), (["--input", "lefft=1x2x2"], 1, "a similar name exists: `left`"),
        (["--input", "left=1x2x2", "--input", "left=1x3x3"], 2, "two shapes to one input"),
        (["--input", "left=1x2x2", "--input", "3"], 2, "write NAME=SHAPE for each input"), (["--input", "=3"], 2, "is not a shape"),
    ):
        done = cli("profile", tmp_path / "pair.yaml", "--static", *options)
        assert done.code == code and message in done.err, done.err
    done = cli("profile", "lenet", "--static", "--input", "image=1x32x32")
    assert "the spec's input has no name" in done.err and "write `--input 1x32x32`" in done.err
    (tmp_path / "one.yaml").write_text("archspec: 1\ninput: {image: [1, 8, 8]}\nstages: {a: flatten}\n")
    done = cli("profile", tmp_path / "one.yaml", "--static", "--json", "--input", "1x4x4")
    assert json.loads(done.out)["input_shape"] == [1, 4, 4]


def test_a_network_of_several_inputs_and_outputs_is_measured(cli: Cli, tmp_path: Path, quick_peaks: None) -> None:
    (tmp_path / "pair.yaml").write_text(PAIR.replace("[a, b]", "{a: always, b: training}"))
    done = cli("profile", tmp_path / "pair.yaml", "--batch-size", 2, "--steps", 1, "--warmup", 1)
    assert done.code == 0, done.err
    assert "left 1×8×8, right 4 (integers below 9), batch 2" in done.out
    assert "training only" in done.out
    assert "sum of a: cross-entropy" in done.out


def test_an_input_that_does_not_suit_is_told_in_the_spec_s_terms(cli: Cli) -> None:
    done = cli("profile", "lenet", "--static", "--input", "1x4x4")
    assert (done.code, done.out) == (1, "")
    assert "SHAPE101" in done.err
