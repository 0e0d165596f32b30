"""`archspec show`: where the picture goes, and what the command refuses."""

from pathlib import Path
from xml.etree import ElementTree

import pytest


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


@pytest.mark.parametrize(("content", "message"), [
    ("{}", "not an output of `archspec profile SPEC --json`"), ("[" * 9000, "not an output of"),
    ('{"measured": {"batch_size": 4, "layers": {"layers": [{"path": "a", "ms": "1"}]}}}', "its times are not numbers"),
    ('{"measured": {"batch_size": 1, "layers": {"layers": [{"path": "a", "ms": 1}]}}}', "has times of another network"),
    ('{"measured": {"batch_size": 4, "layers": {"layers": [{"path": "pool1", "ms": 1}]}}}', "add --batch-size 4"),
])
def test_times_that_do_not_fit(cli, content, message):
    Path("times.json").write_text(content)
    done = cli("show", "lenet", "-o", "net.html", "--measured", "times.json")
    assert done.code == 2 and message in done.err and not Path("net.html").exists()


def test_a_page_with_times(cli):
    Path("times.json").write_text('{"measured": {"batch_size": 4, "layers": {"layers": [{"path": "pool1", "ms": 0.25}]}}}')
    done = cli("show", "lenet", "-o", "net.html", "--batch-size", "4", "--target", "h200", "--measured", "times.json")
    assert done.code == 0 and '["measured","measured time"]' in Path("net.html").read_text()


def test_measured_time_as_the_colour(cli):
    Path("times.json").write_text('{"measured": {"batch_size": 1, "layers": {"layers": [{"path": "pool1", "ms": 0.25}]}}}')
    done = cli("show", "lenet", "-o", "-", "--color", "measured", "--measured", "times.json")
    assert done.code == 0 and "measured time of a box" in done.out and "0.25 ms<" in done.out
    done = cli("show", "lenet", "-o", "-", "--color", "macs", "--measured", "times.json")
    assert done.code == 2 and "--measured has no effect" in done.err


def test_a_folder_that_is_not_there(cli):
    done = cli("show", "lenet", "-o", "pictures/net.svg")
    assert done.code == 1 and "hint: create the folder pictures" in done.err


def test_time_as_the_colour(cli):
    done = cli("show", "lenet", "-o", "-", "--color", "time", "--target", "rtx3090")
    assert done.code == 0 and "predicted time of a box" in done.out and " ms<" in done.out


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
