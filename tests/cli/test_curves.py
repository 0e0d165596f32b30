"""`archspec curves`: a picture of one run or of several."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.results.helpers import make_run


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for k, lr in enumerate((0.1, 0.2)):
        make_run(Path("runs") / "ab"[k], lr=lr, seed=5, accuracies=(0.2, 0.4 + k / 10))
    return tmp_path


def words(path):
    return " ".join("".join(node.itertext()) for node in ElementTree.parse(path).iter() if node.tag.endswith("text"))


def test_the_picture_of_one_run_lies_in_its_folder(cli):
    done = cli("curves", "runs/a")
    assert (done.code, done.out, done.err) == (0, "runs/a/curves.svg\n", "")
    assert "net: sgd, lr 0.1, seed 5" in words("runs/a/curves.svg")


def test_several_runs_are_called_by_what_varies(cli):
    assert cli("curves", "runs").out == "curves.svg\n"
    found = words("curves.svg")
    assert "lr 0.1, seed 5" in found
    assert "lr 0.2, seed 5" in found


def test_the_terminal_shows_them_too(cli):
    done = cli("curves", "runs", "--text")
    assert (done.code, done.err) == (0, "")
    assert "loss over the epochs" in done.out
    assert "lr 0.2, seed 5: test loss 0.6, accuracy 0.5000 after epoch 2" in done.out
    assert not Path("curves.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "-o", "x.png"], "x.png: the picture is an SVG file: give it a name that ends in .svg"),
        (["runs", "--text", "-o", "x.svg"], "--text draws in the terminal, -o into a file"),
        (["empty"], "there is no run in empty"), (["nowhere"], "'nowhere' does not exist"),
    ],
)
def test_mistakes_of_the_command_line(cli, place, arguments, said):
    (place / "empty").mkdir()
    done = cli("curves", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert not Path("x.png").exists()


def test_a_picture_that_cannot_be_written_is_an_error(cli):
    done = cli("curves", "runs", "-o", "none/x.svg")
    assert done.code == 1
    assert "none/x.svg" in done.err


def test_too_many_runs_are_refused(cli, place):
    for k in range(40):
        make_run(place / "many" / str(k), seed=k)
    done = cli("curves", "many")
    assert done.code == 2
    assert "40 runs are too many for one picture (limit 32)" in done.err
