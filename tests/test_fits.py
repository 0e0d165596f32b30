"""`archspec.fits`: the answer of `archspec fit` in Python."""

import json

import pytest

import archspec
from archspec.diagnostics import SpecError
from archspec.text import parse_bytes
from tests.cli.conftest import Cli, cli
from tests.cli.test_fit import SPEC

__all__ = ["cli"]


@pytest.fixture
def net(tmp_path):
    (path := tmp_path / "net.yaml").write_text(SPEC + "recipes: {large: {batch_size: 512, optimizer: adam}}\n")
    return path


@pytest.mark.parametrize(("options", "flags"), [
    ({"memory": "24MiB"}, ["--memory", "24MiB"]),
    ({"memory": 24 << 20, "recipe": "large", "sets": ["train.batch_size=64"]},
     ["--memory", "24MiB", "--recipe", "large", "--set", "train.batch_size=64"]),
    ({"device": "rtx3060", "batch_size": 300, "precision": "bf16", "channels_last": True, "optimizer": "adamw"},
     ["--device", "rtx3060", "--batch-size", "300", "--precision", "bf16", "--channels-last", "--optimizer", "adamw"]),
])
def test_it_is_what_the_command_line_says(cli: Cli, net, options, flags):
    found = archspec.fits(net, **options)
    assert found.to_json() == json.loads(cli("fit", net, *flags, "--json").out)
    assert sorted(str(found).split()) == sorted(cli("fit", net, *flags).out.split())
    assert "<" in found._repr_html_()


def test_mistakes(net):
    with pytest.raises(ValueError, match="pass `memory`"):
        archspec.fits(net)
    with pytest.raises(ValueError, match="no memory"):
        archspec.fits(net, device="here")
    with pytest.raises(ValueError, match="not a size of memory; write 8GiB"):
        archspec.fits(net, memory="8 apples")
    for wrong, why in (
        ({"memory": -5}, "`memory` must be more than 0 bytes, not -5"), ({"batch_size": 0}, "a batch has at least 1 sample, not 0"),
        ({"precision": "fp8"}, "no figures in 'fp8'; precisions: fp32, tf32, bf16, fp16"),
        ({"optimizer": "lion"}, "no figures for the optimizer 'lion'; optimizers: sgd, adam, adamw"),
    ):
        with pytest.raises(ValueError, match=why):
            archspec.fits(net, **{"memory": "24MiB", **wrong})
    with pytest.raises(SpecError, match="rtx306"):
        archspec.fits(net, device="rtx306")
    with pytest.raises(SpecError):
        archspec.fits(net, memory="1GiB", recipe="larg")


def test_a_size_reads_back_its_own_text():
    assert [parse_bytes(text) for text in ("1MiB", "1.5g", "2GB")] == [1 << 20, 3 << 29, 2 * 10**9]
    with pytest.raises(ValueError, match=r"write 8\.5GiB"):
        parse_bytes("8,5GiB")
    for text in ("8,500GiB", "8,5", "8,5 apples"):
        with pytest.raises(ValueError, match="write 8GiB, 512MiB or a number of bytes"):
            parse_bytes(text)


def test_options_on_several_lines_stay_below_each_other(net):
    """What continues a change is indented as deep as its first line: it is no change of its own."""
    text = str(archspec.fits(net, memory="10MiB", batch_size=64))
    listed = text.partition("fits with\n")[2].splitlines()
    assert any("accumulate" in line for line in listed)
    assert all(line.startswith(("  ", "this helps")) or not line for line in listed)
