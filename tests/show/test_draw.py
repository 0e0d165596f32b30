"""The SVG: well-formed, deterministic, self-contained, in both themes, with every name as text."""

import re
import subprocess
import sys
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from archspec.api import load
from archspec.show.draw import default_depth, network_svg
from archspec.show.paint import SHADES, STYLES, Painter
from archspec.show.place import Look, place
from archspec.show.scene import scene_of
from tests.show.test_place import SPECS

SVG = "{http://www.w3.org/2000/svg}"


def picture(source, **options):
    loaded = load(source)
    return network_svg(loaded.graph, loaded.report, description=loaded.description, **options)


def hovers(text):
    return [node.text for node in ElementTree.fromstring(text).iter(f"{SVG}title")][1:]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_spec(path):
    text = picture(path)
    ElementTree.fromstring(text)
    assert len(text) < 60_000
    assert not re.search(r"(href|src|url\(|https?://(?!www\.w3\.org/2000/svg))", text)
    whole = hovers(picture(path, depth=99))
    assert {hover.split("\n")[0].split(" ×")[0] for hover in whole} >= set(op_paths(load(path).report.root))


def op_paths(row):
    """The paths of all layers, for equal copies of a repeat those of the first."""
    return [row.path] if row.kind == "op" else [path for child in row.children for path in op_paths(child)]


def test_it_is_the_same_in_every_process():
    code = ("from archspec.api import load\nfrom archspec.show.draw import network_svg\nimport sys\n"
            "sys.stdout.write(network_svg(load('googlenet').graph, load('googlenet').report))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "1", "PYTHONUTF8": "1"})
    loaded = load("googlenet")
    assert done.stdout == network_svg(loaded.graph, loaded.report)


def test_names_from_a_file_stay_text():
    hostile = '</title><script>alert(1)</script>"\'&\x00\u202e'
    loaded = load({"archspec": 1, "name": "net", "input": [1, 4, 4], "stages": {"a": "relu"}})
    text = network_svg(loaded.graph, loaded.report, description=hostile)
    tags = {node.tag.removeprefix(SVG) for node in ElementTree.fromstring(text).iter()}
    assert tags == {"svg", "title", "style", "rect", "text", "tspan", "g", "path"}
    assert "</title><script>alert(1)</script>" in "".join(ElementTree.fromstring(text).itertext())


def test_themes():
    rules = {theme: picture("lenet", theme=theme).split("<style>")[1].split("</style>")[0] for theme in ("auto", "light", "dark")}
    assert rules["auto"] == f"{rules['light']}@media(prefers-color-scheme:dark){{{rules['dark']}}}"
    assert ".page{fill:#fff}" in rules["light"] and ".page{fill:#0d1117}" in rules["dark"]


def luminance(colour):
    """Relative luminance, WCAG 2.1."""
    channels = [int(colour[k:k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("dark", [0, 1])
def test_shades_are_ordered_in_grey_and_text_on_them_is_readable(dark):
    shades = [luminance(STYLES[f"s{k}"][dark].removeprefix("fill:")) for k in range(SHADES + 1)]
    assert shades == sorted(shades, reverse=not dark)
    assert all(abs(a - b) > 0.004 for a, b in pairwise(shades))
    for k, shade in enumerate(shades):
        ink = luminance((("#ffffff", "#0d1117") if k >= 6 else ("#1f2328", "#e6edf3"))[dark])
        assert (max(ink, shade) + 0.05) / (min(ink, shade) + 0.05) >= 4.5, k


def test_the_shade_is_that_of_the_cost():
    loaded = load("lenet")
    drawn = place(scene_of(loaded.graph, loaded.report), Look(9, "params"))
    painter = Painter(drawn, "params", right=False)
    shades = {x.box.path: painter.shade(x) for x in drawn.walk() if not x.open}
    assert shades["head.linear_1"] == SHADES and shades["conv1.sigmoid_1"] == 0
    assert 0 < shades["conv1.conv2d_1"] < shades["conv2.conv2d_1"] < SHADES


def test_a_box_says_what_it_costs():
    hover = next(hover for hover in hovers(picture("resnet18", depth=9)) if hover.startswith("b2.0.add_1.main.conv2d_1"))
    assert hover.split("\n") == [
        "b2.0.add_1.main.conv2d_1 ×2", "conv2d: {out_channels: 64, kernel_size: 3, stride: 1, padding: 1}", "output 64×56×56",
        "73.86 k parameters", "231.21 M MACs", "1.53 MiB activations",
    ]


def test_the_depth_is_chosen_so_that_it_can_be_read():
    depths = {name: default_depth(scene_of(load(name).graph, load(name).report)) for name in ("lenet", "resnet18", "googlenet", "resnet152")}
    assert depths == {"lenet": 1, "resnet18": 1, "googlenet": 1, "resnet152": 1}


def test_no_costs_no_legend():
    text = picture({"archspec": 1, "name": "net", "input": [1, 4, 4], "stages": {"a": "relu"}}, measure="params")
    assert "per box" not in text and "NaN" not in text


def test_torch_is_not_imported(tmp_path):
    code = ("import sys\nfrom archspec.cli import run\nassert run(['show', 'lenet', '-o', 'net.svg']) == 0\n"
            "assert 'torch' not in sys.modules and 'rich' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "net.svg").stat().st_size > 5000


def test_an_input_has_the_name_that_the_spec_gives_it():
    named = "archspec: 1\ninput: {tokens: {shape: [9], dtype: int64, below: 50}}\nstages: {a: {embedding: 4}}\n"
    assert "tokens" in words(named) and "input" in words("lenet")


def test_a_frame_of_a_block_with_a_list_in_it_has_the_blocks_name():
    spec = """archspec: 1
input: [1, 8, 8]
blocks:
  double: [{sequential: [conv2d: {out_channels: 4, kernel_size: 3, padding: 1}, relu], repeat: 2}]
stages: {a: [double], b: [sequential: [relu, relu], tanh]}
"""
    assert "double" in words(spec)
    assert "sequential" not in words(spec)


def words(source):
    return [node.text for node in ElementTree.fromstring(picture(source)).iter() if node.tag in (f"{SVG}text", f"{SVG}tspan")]


def test_the_heading_says_in_which_setting_costs_are():
    assert "on a machine" in words_of_heading("lenet", setting=["on a machine"])


def words_of_heading(source, **options):
    return "".join(ElementTree.fromstring(picture(source, **options)).itertext())
