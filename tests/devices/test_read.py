"""Descriptions of devices: the shipped ones are complete, and every mistake of a file has its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archspec.devices import PRECISIONS, find_device, known_devices
from archspec.devices.known import plain
from archspec.devices.read import device_text
from archspec.diagnostics import SpecError

RIGHT = """\
archspec-device: 1
name: a GPU of mine
aliases: [mine]
kind: gpu
peak_tflops: {fp32: 10, fp16: 20}
bandwidth_gb_per_s: 300
memory_gib: 8
units: 20
launch_us: 4
sources: [measured]
"""


@pytest.mark.parametrize("key", known_devices())
def test_a_shipped_device_is_complete_and_cites_its_sources(key: str) -> None:
    device = known_devices()[key]
    assert device.file is None
    assert {name.split(".")[0] for source in device.sources for name in source.partition(":")[0].split(", ")} >= {
        "peak_tflops", "bandwidth", "launch_us",
    }
    assert all(device.peak_flops(p) >= device.peak_flops("fp32") for p in PRECISIONS)  # fp32 where it has no such units
    assert 1 < device.peak_flops("fp32") / device.bandwidth < 200  # flop per byte: a unit is wrong otherwise


def test_names_and_aliases_lead_to_one_device_each() -> None:
    words = [
        (plain(word), device.key) for device in known_devices().values()
        for word in {plain(w) for w in (device.key, *device.aliases, device.name)}
    ]
    assert len(words) == len(dict(words))


@pytest.mark.parametrize(("name", "key"), [
    ("rtx3090", "rtx3090"), ("RTX 3090", "rtx3090"), ("3090", "rtx3090"), ("NVIDIA GeForce RTX 3090", "rtx3090"),
    ("geforce_rtx3090", "rtx3090"), ("H100-SXM", "h100"), ("gtx1650", "gtx1650"), ("a100-80gb", "a100"), ("A100 80GB", "a100"),
])
def test_a_device_is_found_in_any_spelling(name: str, key: str) -> None:
    assert find_device(name).key == key


def test_a_decimal_comma_has_a_remedy() -> None:
    with pytest.raises(SpecError) as caught:
        device_text(RIGHT.replace("300", "300,5").replace("fp32: 10", "fp32: 10,5"))
    assert [(d.code, d.hint) for d in caught.value.diagnostics] == [("SPEC009", "write `10.5`"), ("BUILD210", "write `300.5`")]


@pytest.mark.parametrize("name", ["rtx309", "", "../devices/rtx3090", "x" * 500, "__init__"])
def test_an_unknown_device_is_an_error_with_a_remedy(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        find_device(name)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code in ("BUILD211", "SPEC001")  # a word with a slash is a path


def test_a_file_describes_a_device(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(RIGHT)
    device = find_device(str(tmp_path / "own.yaml"))
    assert (device.key, device.kind, device.target, device.memory_bytes) == ("own", "gpu", "cuda", 8 << 30)
    assert (device.peak_flops("fp16"), device.peak_flops("bf16")) == (20e12, 10e12)


@pytest.mark.parametrize(
    ("old", "new", "message", "column"),
    [
        ("archspec-device: 1", "archspec-device: 2", "device format 2 is not supported", 18),
        ("archspec-device: 1", "archspec: 1", "this is a spec, not a device", 1),
        ("name: a GPU of mine", "name: 3", "`name` must be text, got 3", 7),
        ("kind: gpu", "kind: tpu", '`kind` must be `cpu` or `gpu`, got "tpu"', 7),
        ("kind: gpu", "kid: gpu", "a device has no key `kid`", 1),
        ("fp32: 10", "fp64: 10", "`fp64` is not a precision", 15),
        ("fp32: 10", "fp32: -10", "`fp32` must be a number above 0 and at most 1,000,000, got -10", 21),
        ("{fp32: 10, fp16: 20}", "20", "`peak_tflops` must be a mapping of precisions to numbers, got 20", 14),
        ("300", "300 GB/s", '`bandwidth_gb_per_s` must be a number above 0 and at most 1,000,000, got "300 GB/s"', 21),
        ("300", ".inf", "`bandwidth_gb_per_s` must be a number above 0 and at most 1,000,000, got inf", 21),
        ("300", "true", "`bandwidth_gb_per_s` must be a number above 0 and at most 1,000,000, got true", 21),
        ("300", "", "`bandwidth_gb_per_s` has no value", 20),
        ("units: 20", "units: 2.5", "`units` must be a whole number, got 2.5", 8),
        ("[measured]", "measured", '`sources` must be a list of texts, got "measured"', 10),
        ("[measured]", "[1]", "`sources` must be a list of texts, got 1 in it", 11),
        ("launch_us: 4\n", "", "a device needs `launch_us`", 1),
    ],
)
def test_a_mistake_is_reported_at_its_place(old: str, new: str, message: str, column: int) -> None:
    with pytest.raises(SpecError) as caught:
        device_text(RIGHT.replace(old, new))
    found = {(d.code, d.message): d.span for d in caught.value.diagnostics}
    assert ("BUILD210", message) in found
    span = found["BUILD210", message]
    assert span is not None and span.column == column


@example("-")
@given(st.text(st.sampled_from("archspec-device:1 {}[],nkf32.\n\t'\"&*!|>#é\0") | st.characters(), max_size=80))
def test_any_text_is_a_device_or_a_spec_error(text: str) -> None:
    for whole in (text, RIGHT + text, RIGHT.replace("300", text)):
        try:
            device_text(whole)
        except SpecError as found:
            assert found.diagnostics


def test_devices_are_found_without_torch() -> None:
    code = "import sys, archspec.devices as d; d.find_device('h200'); d.known_devices(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("h300", "similar names: h100, h200"), ("306", "a similar name exists: rtx3060"), ("rtx306", "a similar name exists: rtx3060"),
        ("rtx3050", "similar names: rtx3060, rtx3090"), ("a10", "a similar name exists: a100"), ("gtx1660", "a similar name exists: gtx1650"),
        ("nvidia h100 pcie", "a similar name exists: h100"), ("H100-PCIe 80GB", "a similar name exists: h100"),
        ("xeon", "a similar name exists: xeon-8480"), ("Intel", "a similar name exists: xeon-8480"), ("xeon gold 6342", "a similar name exists: xeon-8480"),
        ("platinum", "a similar name exists: xeon-8480"), ("ryzen", "a similar name exists: ryzen-7950x"), ("Ryzen 9 7900", "a similar name exists: ryzen-7950x"),
        ("rtx", "similar names: rtx3060, rtx3090, rtx4090, rtx5090"), ("3090 ti", "a similar name exists: rtx3090"), ("tesla", "a similar name exists: t4"),
        ("a100-40gb", "a similar name exists: a100"), ("gtx 1650 super", "a similar name exists: gtx1650"), ("l40", "a similar name exists: l40s"),
        ("nvidia", "the devices: a100, "), ("nvidia tpu", "the devices: a100, "), ("gpu", "the devices: a100, "), ("tpu v5", "the devices: a100, "),
        ("mi300x", "the devices: a100, "), ("x", "the devices: a100, "), ("é" * 50, "the devices: a100, "), ("a b c d e", "the devices: a100, "),
    ],
)
def test_a_similar_device_is_proposed(name: str, found: str) -> None:
    with pytest.raises(SpecError) as problem:
        find_device(name)
    assert str(problem.value.diagnostics[0].hint).startswith(found)
