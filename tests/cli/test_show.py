"""`archspec show`: where the picture goes, and what the command refuses."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from archspec.api import load


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))  # without a calibration of this machine


def test_the_picture_has_the_networks_name(cli):
    done = cli("show", "lenet")
    assert (done.code, done.out) == (0, "lenet.svg\n") and done.err.endswith(" KB\n")
    ElementTree.parse("lenet.svg")


def test_standard_output(cli):
    cli("show", "lenet", "-o", "net.svg")
    done = cli("show", "lenet", "-o", "-")
    assert (done.code, done.err, done.out) == (0, "", Path("net.svg").read_text(encoding="utf-8"))
    assert not Path("-").exists()


def test_options_change_the_picture(cli):
    pictures = [cli("show", "resnet18", "-o", "-", *options).out for options in (
        [], ["--color", "params"], ["--depth", "0"], ["--direction", "right"], ["--theme", "dark"], ["--batch-size", "4"],
        ["--input", "1x96x96"], ["--set", "vars.num_classes=7"],
    )]
    assert len(set(pictures)) == len(pictures) and all(text.startswith("<svg") for text in pictures)


@pytest.mark.parametrize(("words", "message"), [
    (["-o", "net.png"], "net.png: the output is an SVG file or an HTML page"),
    (["-o", "net.svg", "--format", "html"], "net.svg: the name ends in .svg, but --format is html"),
    (["--color", "money"], "'money' is not one of"),
    (["--depth", "-1"], "-1"),
    (["-o", "net.html", "--direction", "right"], "--direction right is for SVG files"),
    (["--color", "time"], "--color time needs a device: add --target"),
    (["--color", "measured"], "--color measured needs --measured FILE"),
    (["--target", "h200"], "--target has no effect on a picture coloured by macs"),
    (["--channels-last", "--color", "params"], "--channels-last has no effect on a picture coloured by params"),
])
def test_what_it_refuses(cli, words, message):
    done = cli("show", "lenet", *words)
    assert done.code == 2 and message in done.err and not list(Path().iterdir())


def times_of(source, ms, *, batch_size=1, precision="fp32", channels_last=False):
    """A file like the output of `archspec profile SOURCE --json`, with the same time for each layer."""
    rows = load(source).report.to_json()["layers"]
    layers = [{"path": row["path"], "ms": ms} for row in rows]
    settings = {"precision": precision, "channels_last": channels_last}
    found = {"layers": rows, "measured": {"batch_size": batch_size, "settings": settings, "layers": {"layers": layers}}}
    Path("times.json").write_text(json.dumps(found))


@pytest.mark.parametrize("content", ["{}", "[" * 9000, '{"measured": {"batch_size": 4, "layers": {"layers": []}}}'])
def test_files_without_times(cli, content):
    Path("times.json").write_text(content)
    done = cli("show", "lenet", "-o", "net.html", "--measured", "times.json")
    assert done.code == 2 and "not an output of `archspec profile SPEC --json`" in done.err and not Path("net.html").exists()


@pytest.mark.parametrize(("source", "ms", "setting", "message"), [
    ("lenet", "1", {}, "its times are not numbers"),
    ("lenet_relu", 1, {}, "has times of another network: they differ in conv1.sigmoid_1"),  # and have most names in common
    ("alexnet28", 1, {"batch_size": 4}, "has times of another network"),  # before the batch, which would be no remedy
    ("lenet", 1, {"batch_size": 4}, "times of a batch of 4: add --batch-size 4"),
    ("lenet", 1, {"precision": "bf16"}, "times of bf16: add --precision bf16"),
    ("lenet", 1, {"channels_last": True}, "times of images in NHWC order: add --channels-last"),
])
def test_times_that_do_not_fit(cli, source, ms, setting, message):
    times_of(source, ms, **setting)
    done = cli("show", "lenet", "-o", "net.html", "--measured", "times.json")
    assert done.code == 2 and message in done.err and not Path("net.html").exists()
    remedy = message.partition(": add ")[2]
    if remedy:
        assert cli("show", "lenet", "-o", "net.html", "--measured", "times.json", *remedy.split()).code == 0


def test_times_of_another_layout(cli):
    times_of("lenet", 1)
    done = cli("show", "lenet", "-o", "net.html", "--channels-last", "--measured", "times.json")
    assert done.code == 2 and "times of images in NCHW order: leave out --channels-last" in done.err


def test_a_page_with_times(cli):
    times_of("lenet", 0.25, batch_size=4)
    done = cli("show", "lenet", "-o", "net.html", "--batch-size", "4", "--target", "h200", "--measured", "times.json")
    assert done.code == 0 and '["measured","measured time"]' in Path("net.html").read_text()


def test_measured_time_as_the_colour(cli):
    times_of("lenet", 0.25)
    done = cli("show", "lenet", "-o", "-", "--color", "measured", "--measured", "times.json")
    assert done.code == 0 and "measured time per box" in done.out and "0.250 ms<" in done.out
    done = cli("show", "lenet", "-o", "-", "--color", "macs", "--measured", "times.json")
    assert done.code == 2 and "--measured has no effect" in done.err


def test_a_folder_that_is_not_there(cli):
    done = cli("show", "lenet", "-o", "pictures/net.svg")
    assert done.code == 1 and "hint: create the folder pictures" in done.err


def test_time_as_the_colour(cli):
    done = cli("show", "lenet", "-o", "-", "--color", "time", "--target", "rtx3090")
    assert done.code == 0 and "predicted time per box" in done.out and " ms<" in done.out
    assert "predicted on NVIDIA GeForce RTX 3090" in done.out and "(SGD, fp32)" in " ".join(
        ElementTree.fromstring(done.out).itertext())
    assert "in a training step" not in cli("show", "lenet", "-o", "-").out  # which is the same in every setting


def test_a_spec_with_a_mistake_is_not_drawn(cli):
    Path("net.yaml").write_text("archspec: 1\nname: net\ninput: [1, 4, 4]\nstages: {a: {conv2d: {out_channels: 2, kernel_size: 9}}}\n")
    done = cli("show", "net.yaml")
    assert done.code == 1 and "SHAPE" in done.err and not Path("net.svg").exists()


def test_a_folder_is_in_its_place(cli):
    Path("net.svg").mkdir()
    done = cli("show", "lenet", "-o", "net.svg")
    assert done.code == 2 and "directory" in done.err


def test_a_network_that_differs_from_expect_is_drawn_and_reported(cli):
    Path("net.yaml").write_text("archspec: 1\ninput: [1, 4, 4]\nstages: {head: [flatten, linear: 10]}\nexpect: {output: [11]}\n")
    done = cli("show", "net.yaml", "-o", "net.svg")
    assert done.code == 1
    assert "error[SHAPE" in done.err
    assert "linear" in Path("net.svg").read_text()
