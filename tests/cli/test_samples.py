"""What a batch consists of: images only where images flow in, otherwise samples."""

from __future__ import annotations

import re

import pytest

import archspec

from .conftest import ROOT, Cli

TEXTS = [("textcnn", "samples"), ("siamese", "samples"), ("lenet", "images"), ("r3d_18", "samples")]
NORM = "archspec: 1\ninput: [8]\nstages: {a: [batch_norm1d, linear: 2]}\n"


def test_what_the_networks_take() -> None:
    found = {path.stem: archspec.load(path).graph.samples for path in sorted((ROOT / "specs").rglob("*.yaml"))}
    assert {name for name, samples in found.items() if samples != "images"} == {"textcnn", "siamese", "r3d_18"}


@pytest.mark.parametrize(("spec", "samples"), TEXTS)
def test_in_what_commands_print(cli: Cli, spec: str, samples: str) -> None:
    other = "images" if samples == "samples" else "samples"
    for options in (["fit", spec, "--memory", "2GiB"], ["fit", spec, "--memory", "2GiB", "--batch-size", 4],
                    ["profile", spec, "--static", "--target", "h200", "--batch-size", "1,4"]):
        out = cli(*options).out
        assert re.search(rf"\b{samples}\b", out)
        assert not re.search(rf"\b{other}\b", out)


def test_in_a_measured_profile(cli: Cli, quick_peaks: None) -> None:
    done = cli("profile", "textcnn", "--steps", 1, "--warmup", 1, "--batch-size", "1,2", "--device", "cpu")
    assert " samples/s " in done.out and "images/s" not in done.out


def test_in_errors() -> None:
    with pytest.raises(archspec.SpecError, match="needs 2 samples or more to train"):
        archspec.fits(NORM, memory="1GiB", batch_size=1)
