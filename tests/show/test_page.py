"""The page as a file: what it holds, how large it is, and that nothing of a spec becomes markup."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from archspec.analysis.resources import resources
from archspec.analysis.timing import predict_times
from archspec.api import load
from archspec.devices.calibration import Calibration, Machine
from archspec.devices.models import CalibratedModel
from archspec.devices.targets import time_model
from archspec.execution import Setting
from archspec.show import page
from archspec.show.page import SCRIPTS, network_html
from archspec.show.panels import MOST_POINTS, panels_of, roofs_of
from tests.show.test_place import SPECS

MOST_BYTES = 400_000
HOSTILE = "</script><script>document.title='gone'</script><img src=x onerror=alert(1)>\u2028'\"&amp;\x00"


def html_of(source, *, batch_size=1, target="h200", measured=None, **options):
    loaded = load(source)
    setting = Setting(batch_size=batch_size)
    found = resources(loaded.graph, setting)
    times = predict_times(found, time_model(target)) if target else None
    panels = panels_of(found, times=times, measured=measured, roofs=roofs_of(setting, target or "rtx3090"))
    return network_html(loaded.graph, loaded.report, panels=panels, description=loaded.description, **options)


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append(tag)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_spec(path):
    loaded = load(path)
    text = network_html(loaded.graph, loaded.report)
    assert text.isascii() and len(text) < MOST_BYTES
    data = data_of(text)
    ops = [box for box in data["boxes"] if box["kind"] == "op"]
    assert sum(box.get("copies", 1) for box in ops) == len(loaded.report.layers())
    for index, total in enumerate((loaded.report.params, loaded.report.training_macs, loaded.report.training_activation_bytes)):
        assert sum(box["figures"][index] for box in ops) == pytest.approx(total, rel=1e-6)
    assert "timeline" not in data and "roofline" not in data


@pytest.mark.parametrize("name", ["resnet152", "densenet121", "swin_t"])
def test_the_largest_are_small_files(name):
    assert len(html_of(name, batch_size=32)) < MOST_BYTES


def test_the_same_bytes_each_time():
    assert html_of("lenet") == html_of("lenet")


def test_the_panels_are_those_of_the_simulation():
    found = resources(load("resnet18").graph, Setting(batch_size=4))
    data = data_of(html_of("resnet18", batch_size=4))
    timeline, step = data["timeline"], found.training
    assert max(timeline["live"]) == max(step.timeline) and len(timeline["live"]) <= MOST_POINTS
    assert [direction for _, direction in timeline["phases"]] == ["forward", "backward", "optimizer"]
    paths = {data["boxes"][k]["path"] for k in timeline["layers"] if k >= 0}
    assert "b2.0.add_1.main.conv2d_1" in paths and "b2.1.add_1.main.conv2d_1" not in paths  # the box of both copies
    names = [key for key, _ in data["measures"]]
    assert names == ["params", "macs", "memory", "saved", "traffic", "time"]
    root = data["boxes"][0]["figures"]
    assert root[names.index("saved")] == pytest.approx(sum(use.saved_bytes for use in step.layers.values()), rel=1e-5)
    work = sum(flops for _, flops, _ in data["roofline"]["points"])
    own = [kernel for kernel in step.kernels if kernel.layer]
    assert work == sum(2 * kernel.macs + kernel.flops for kernel in own)
    assert data["roofline"]["machines"][0] == ["NVIDIA H200 SXM", 67e12, 4800e9]


def test_predicted_and_measured_times():
    loaded = load("resnet18")
    found = resources(loaded.graph, Setting())
    times = predict_times(found, time_model("rtx3090"))
    measured = {layer.path: 2 * times.layer(layer.path)["predicted_ms"] for layer in loaded.report.layers()}
    data = data_of(html_of("resnet18", target="rtx3090", measured=measured))
    assert [key for key, _ in data["measures"]][-2:] == ["time", "measured"]
    assert data["predicted"] and all(real == pytest.approx(2 * guess, rel=1e-4) for _, guess, real in data["predicted"])
    own = sum(times.layer(layer.path)["predicted_ms"] for layer in loaded.report.layers())
    assert data["boxes"][0]["figures"][-2] == pytest.approx(own, rel=1e-4)
    assert any(fact.startswith("predicted on NVIDIA GeForce RTX 3090: ") for fact in data["facts"])
    assert data_of(html_of("resnet18", target=None))["predicted"] == []


def test_a_long_timeline_keeps_its_peak():
    found = resources(load("resnet152").graph, Setting(batch_size=2))
    data = data_of(html_of("resnet152", batch_size=2))
    assert max(data["timeline"]["live"]) == max(found.training.timeline)


def test_a_network_without_weights_shows_its_inference():
    data = data_of(html_of({"archspec": 1, "name": "net", "input": [1, 4, 4], "stages": {"a": "relu", "b": "flatten"}}))
    assert data["timeline"]["training"] is False and data["timeline"]["phases"] == [[0, "forward"]]


def test_nothing_of_a_spec_becomes_markup():
    plain = {"archspec": 1, "name": "net", "input": [1, 4, 4], "stages": {"a": {"linear": 3}}, "description": HOSTILE}
    loaded = load({**plain, "description": "a"})
    text = network_html(loaded.graph, loaded.report, description=HOSTILE)
    assert Tags(text).found == Tags(network_html(loaded.graph, loaded.report)).found
    assert text.count("<script") == 2 and text.count("</script") == 2 and "onerror=alert" in text
    assert data_of(text)["description"] == HOSTILE


def test_the_policy_allows_the_pages_own_script_and_style_alone():
    text = html_of("lenet")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    for kind, inner in (("script-src", re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]), ("style-src", re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1])):
        assert f"{kind} 'sha256-{b64encode(sha256(inner.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'") and not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_the_parts_write_text_nodes_alone():
    folder = Path(page.__file__).with_name("parts")
    assert {path.name for path in folder.glob("*.js")} == set(SCRIPTS)
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch(", "import("):
            assert forbidden not in text, path
        assert text.isascii(), path


def test_a_theme_holds_for_the_whole_page():
    auto, light, dark = (html_of("lenet", theme=theme) for theme in ("auto", "light", "dark"))
    assert auto.count("(prefers-color-scheme: dark)") == 2 == light.count("@media not all") == dark.count("@media all")
    assert "color-scheme: dark;" in dark and "prefers-color-scheme" not in light + dark


def test_this_machine_has_a_roof_once_it_is_calibrated(monkeypatch):
    """Its name is that of the predictions, so that points are as high as the predicted times say."""
    machine = Machine("Some CPU", "cpu", 2, "2.9.0")
    calibration = Calibration(
        machine, curves={}, factors={},
        peak_gmacs={"fp32": 100.0}, bandwidth_gb_per_s=20.0, seconds=1.0, made="2026-01-01",
    )
    monkeypatch.setattr("archspec.show.panels.own_calibration", lambda device=None: calibration)
    for target in (None, "here"):
        assert roofs_of(Setting(precision="bf16"), target)[0] == (CalibratedModel(calibration).name, 200e9, 20e9)
    assert roofs_of(Setting(), "h200")[0].name == "NVIDIA H200 SXM"
