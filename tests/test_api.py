"""The Python API: what it takes, what it gives, and that it needs no torch until it builds."""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

import archspec
from archspec.diagnostics import SpecError
from archspec.ops.conv import Conv2d

NET = """\
archspec: 1
name: net
input: [1, 12, 12]
vars: {width: 4}
stages:
  a: [conv2d: {out_channels: $width, kernel_size: 5}, relu]
  b: [flatten, linear: 10]
"""
DATA = {
    "archspec": 1, "name": "net", "input": [1, 12, 12], "vars": {"width": 4},
    "stages": {"a": [{"conv2d": {"out_channels": "$width", "kernel_size": 5}}, "relu"],
               "b": ["flatten", {"linear": 10}]},
}
MODEL = archspec.ArchSpec(
    name="net", input=[1, 12, 12], vars={"width": 4},
    stages={
        "a": [archspec.Layer(kind="conv2d", args={"out_channels": "$width", "kernel_size": 5}), "relu"],
        "b": ["flatten", {"linear": 10}],
    },
)


@pytest.mark.parametrize("source", [NET, DATA, MODEL], ids=["text", "mapping", "model"])
def test_every_kind_of_source_gives_the_same_network(source: object) -> None:
    report = archspec.analyze(source)
    assert report.shapes == {"a": (4, 8, 8), "b": (10,)}
    assert (report.params, report.macs) == (4 * 26 + 2570, 8 * 8 * 4 * 25 + 2560)


def test_a_path_and_a_shipped_name(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(NET)
    assert archspec.analyze(tmp_path / "net.yaml").params == archspec.analyze(str(tmp_path / "net.yaml")).params == 2674
    assert archspec.analyze("lenet").params == 61706


def test_ops_as_models_are_layers() -> None:
    spec = archspec.ArchSpec(input=[1, 8, 8], stages={"a": [Conv2d(out_channels=2, kernel_size=3), "relu"]})
    assert archspec.analyze(spec).shapes == {"a": (2, 6, 6)}


def test_overrides() -> None:
    loaded = archspec.load(NET, sets=["vars.width=8"], input=(1, 16, 16))
    assert loaded.report.shapes["a"] == (8, 12, 12)
    assert archspec.analyze(loaded, batch_size=3).macs == 3 * loaded.report.macs


def test_the_resolved_text_is_the_same_network() -> None:
    loaded = archspec.load(NET, sets=["vars.width=8"])
    assert archspec.load(loaded.resolved_yaml()).report.to_json() == loaded.report.to_json()


def test_mistakes_come_at_once_and_check_raises_nothing() -> None:
    wrong = NET.replace("relu", "rellu").replace("linear: 10", "linear: ten")
    assert [d.code for d in archspec.check(wrong)] == ["SPEC020", "SPEC012"]
    with pytest.raises(archspec.SpecError) as e:
        archspec.load(wrong)
    assert e.value.diagnostics == archspec.check(wrong)
    assert "no op or block `rellu`" in str(e.value)


def test_a_mistake_in_a_spec_made_in_python_has_a_readable_text() -> None:
    (diagnostic,) = archspec.check({**DATA, "stages": {"a": [{"linear": "ten"}]}, "vars": {}})
    assert diagnostic.span is None
    assert "`out_features` of `linear` must be an integer" in diagnostic.message


def test_huge_networks_are_counted_exactly() -> None:
    width = 10**9
    report = archspec.analyze({"archspec": 1, "input": [width], "stages": {"a": {"linear": width}}})
    assert report.params == width * width + width


def test_the_report_adds_up() -> None:
    report = archspec.analyze("googlenet", batch_size=2)
    layers = list(report.layers())
    assert sum(x.params for x in layers) == report.params
    assert sum(x.macs for x in layers) == report.macs == 2 * 276066304
    assert sum(x.activation_bytes for x in layers) == report.activation_bytes
    assert report.dominant("macs")[0].path == "b2.conv2d_2"
    totals = report.to_json()["totals"]
    assert totals["flops"] == 2 * totals["macs"]


def test_a_loaded_spec_is_analyzed_once() -> None:
    loaded = archspec.load(NET)
    assert archspec.analyze(loaded) is loaded.report
    assert archspec.analyze(loaded, batch_size=2).macs == 2 * loaded.report.macs
    assert archspec.analyze(loaded, dtype="float16").activation_bytes * 2 == loaded.report.activation_bytes


def test_checking_a_spec_imports_no_simulation() -> None:
    """`validate` starts fast: memory and time are imported when somebody asks for them."""
    code = ("import sys, archspec; archspec.check('lenet'); archspec.load('alexnet'); "
            "assert not [m for m in sys.modules if m.startswith(('archspec.execution', 'archspec.devices'))]")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_analysis_imports_no_torch() -> None:
    script = "import archspec, sys; archspec.analyze('resnet18'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_public_names() -> None:
    assert set(archspec.__all__) <= set(dir(archspec))
    for name in archspec.__all__:
        assert getattr(archspec, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = archspec.nothing


def test_weights_that_do_not_fit_are_not_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {"archspec": 1, "input": [4], "stages": {"a": [{"linear": 10**12}]}}
    with pytest.raises(SpecError, match=r"the network needs about 18\.19 TiB") as caught:
        archspec.build(spec)
    assert [d.code for d in caught.value.diagnostics] == ["BUILD201"]
    with torch.device("meta"):
        assert archspec.build(spec).a[0].weight.shape == (10**12, 4)
    small = {"archspec": 1, "input": [4], "stages": {"a": [{"linear": 2}, "batch_norm1d"]}}
    bytes_of_it = 4 * (4 * 2 + 2 + 4 * 2 + 1)  # weight, bias, of the norm four of each, the number of batches
    for free, fits in ((bytes_of_it, True), (bytes_of_it - 20, False)):
        monkeypatch.setattr("archspec.backends.fits.available_bytes", lambda _, free=free: free)
        with nullcontext() if fits else pytest.raises(SpecError, match="the network needs"):
            archspec.build(small)
