"""`archspec list`: nothing that exists is left out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from archspec.devices import find_device, read_device
from archspec.language.files import standard_library
from archspec.ops import OPS

from .conftest import ROOT, Cli

STDLIB, DEVICES = ROOT / "archspec" / "stdlib", ROOT / "archspec" / "devices"


def test_all_specs_blocks_ops_and_devices_are_listed(cli: Cli) -> None:
    done = cli("list")
    assert done.code == 0
    names = set(re.findall(r"^  (\S+) ", done.out, re.MULTILINE))
    specs = {p.relative_to(ROOT / "specs").with_suffix("").as_posix() for p in (ROOT / "specs").rglob("*.yaml")}
    blocks = set(re.findall(r"^  (\w+):", "\n".join(p.read_text() for p in STDLIB.glob("*.yaml")), re.MULTILINE))
    devices = {p.stem for p in DEVICES.glob("*.yaml")}
    assert names == specs | blocks | devices | set(OPS)


@pytest.mark.parametrize("name", OPS)
def test_each_op_is_shown_with_all_its_fields(cli: Cli, name: str) -> None:
    done = cli("list", "ops", name)
    assert done.code == 0
    for field, info in OPS[name].model_fields.items():
        row = re.search(rf"^  {field} +(.*(?:\n {{4,}}.*)*)", done.out, re.MULTILINE)
        assert row is not None, field
        description = " ".join(row[1].split())
        assert description.startswith(" ".join((info.description or "").split()))
        assert ("(required)" in description) == info.is_required()
    assert "Shapes:" in done.out
    assert "Cost:" in done.out


@pytest.mark.parametrize(("name", "kind"), [("conv2d", "ops"), ("inception", "blocks"), ("zoo/unet", "specs")])
def test_the_kind_may_be_left_out(cli: Cli, name: str, kind: str) -> None:
    assert cli("list", name) == cli("list", kind, name)
    assert cli("list", name, "--json") == cli("list", kind, name, "--json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["conv2"], "a similar name exists: conv2d"), (["op"], "a similar name exists: ops"),
        (["conv2d", "relu"], "'conv2d' is not `specs`, `blocks`, `ops` or `devices`, and not the name of one"),
        (["nosuch"], "; `archspec list` lists the names"), (["h300"], "; similar names: h100, h200"), (["dense"], "; it is called linear here"),
        (["ops", "nosuch"], "no op 'nosuch'; `archspec list ops` lists the names"), (["ops", "fc"], "no op 'fc'; it is called linear here"),
        (["specs", "nosuch"], "no spec 'nosuch'; `archspec list specs` lists the names"), (["specs", "lenett"], "; a similar name exists: lenet"),
        (["blocks", "nosuch"], "no block 'nosuch'; the blocks: bottleneck, inception, nin_block, residual, vgg_block"),
        (["devices", "nosuch"], "no device 'nosuch'; the devices: a100, gtx1650, h100, h200, l4,"),
        (["devices", "h300"], "no device 'h300'; similar names: h100, h200"), (["devices", "rtx306"], "; a similar name exists: rtx3060"),
    ],
)  # fmt: skip
def test_what_is_neither_a_kind_nor_a_name(cli: Cli, arguments: list[str], message: str) -> None:
    done = cli("list", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


@pytest.mark.parametrize("name", ["3060", "rtx-3060", "RTX 3060", "NVIDIA GeForce RTX 3060"])
def test_a_device_has_several_names(cli: Cli, name: str) -> None:
    assert cli("list", "devices", name) == cli("list", name) == cli("list", "devices", "rtx3060")


def test_an_op_s_fields_and_defaults(cli: Cli) -> None:
    out = cli("list", "ops", "avg_pool2d").out
    assert "avg_pool2d: {kernel_size, stride: null, padding: 0, ceil_mode: false," in out
    assert "A plain value sets kernel_size: `avg_pool2d: VALUE`." in out


@pytest.mark.parametrize("name", standard_library().blocks)
def test_each_block_is_shown_with_its_text_alone(cli: Cli, name: str) -> None:
    out = cli("list", "blocks", name).out
    assert re.findall(r"^(\w+):$", out, re.MULTILINE) == [name]
    params = [param.name for param in standard_library().blocks[name].params]
    call = re.search(rf"^  {name}: \[(.*)\]$", out, re.MULTILINE)
    assert call is not None
    assert re.findall(r"(?:^|, )(\w+)", call[1]) == params


def test_a_spec_is_shown_as_it_is(cli: Cli) -> None:
    _, text = (ROOT / "specs/vgg_small.yaml").read_text(encoding="utf-8").split("\n", 1)  # the place of its schema
    assert cli("list", "specs", "vgg_small").out == text  # and nothing else, so that it can be saved


def test_unknown_name(cli: Cli) -> None:
    done = cli("list", "ops", "conv2")
    assert (done.code, done.out) == (2, "")
    assert "a similar name exists: conv2d" in done.err


def test_json(cli: Cli) -> None:
    data = json.loads(cli("list", "--json").out)
    assert data["format"] == 1
    linear = next(op for op in data["ops"] if op["name"] == "linear")
    assert (linear["main"], [field["name"] for field in linear["fields"]]) == ("out_features", ["out_features", "bias"])
    residual = next(block for block in data["blocks"] if block["name"] == "residual")
    assert residual["params"] == [
        {"name": "channels", "required": True, "type": "int"},
        {"name": "stride", "required": False, "type": "any", "default": 1},
    ]
    assert list(json.loads(cli("list", "specs", "--json").out)) == ["format", "specs"]


def test_a_listed_device_can_be_saved_and_used(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(cli("list", "devices", "rtx3090").out)
    saved = read_device(tmp_path / "own.yaml")
    assert (saved.key, saved.peak_tflops) == ("own", find_device("rtx3090").peak_tflops)
