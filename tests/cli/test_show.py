"""`archspec show`: where the picture goes, and what the command refuses."""

from pathlib import Path
from xml.etree import ElementTree

import pytest


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


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
])
def test_what_it_refuses(cli, words, message):
    done = cli("show", "lenet", *words)
    assert done.code == 2 and message in done.err and not list(Path().iterdir())


def test_a_spec_with_a_mistake_is_not_drawn(cli):
    Path("net.yaml").write_text("archspec: 1\nname: net\ninput: [1, 4, 4]\nstages: {a: {conv2d: {out_channels: 2, kernel_size: 9}}}\n")
    done = cli("show", "net.yaml")
    assert done.code == 1 and "SHAPE" in done.err and not Path("net.svg").exists()


def test_a_folder_is_in_its_place(cli):
    Path("net.svg").mkdir()
    done = cli("show", "lenet", "-o", "net.svg")
    assert done.code == 2 and "directory" in done.err
