"""`archspec evaluate` and `archspec predict` from the outside."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from archspec.data.load import load as load_data
from tests.cli.conftest import Cli, Result

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 32, relu, linear: 10]}
train: {data: digits, lr: 0.1, batch_size: 100, epochs: 3, momentum: 0.9, normalize: {mean: 0.3, std: 0.4}}
"""
FEW = ("--limit-train", "400", "--limit-test", "150")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A run's folder, and what `train --json` said."""
    from archspec.cli import run

    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "tiny.yaml").write_text(SPEC, encoding="utf-8")
    out = folder / "out.json"
    with pytest.MonkeyPatch.context() as patch, out.open("w", encoding="utf-8") as stream:
        patch.setattr("sys.stdout", stream)
        assert run(["train", str(folder / "tiny.yaml"), *FEW, "--run-dir", str(folder / "run"), "--json"]) == 0
    return folder / "run", json.loads(out.read_text(encoding="utf-8"))


@pytest.fixture
def run(trained: tuple[Path, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to do with as one likes, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained[0], tmp_path / "run")
    return Path("run")


def logits(run: Path, images: torch.Tensor) -> torch.Tensor:
    """By hand, from the file of weights: uint8 (N, 1, 8, 8) -> (N, 10)."""
    w = {key.removeprefix("head."): value for key, value in load_file(run / "weights.safetensors").items()}
    x = (images.flatten(1).float() / 255 - 0.3) / 0.4
    return (x @ w["linear_1.weight"].T + w["linear_1.bias"]).relu() @ w["linear_2.weight"].T + w["linear_2.bias"]


def test_evaluate_tells_what_training_told(cli: Cli, run: Path, trained: tuple[Path, dict]) -> None:
    (run / "confusion.svg").unlink()
    done = cli("evaluate", run, "--limit-test", 150, "--json")
    assert done.code == 0, done.err
    output, at_end = json.loads(done.out), trained[1]
    assert output["loss"] == pytest.approx(at_end["last"]["test_loss"], rel=1e-6)
    assert output["accuracy"] == at_end["last"]["test_accuracy"]
    assert output["per_class"] == at_end["per_class"]
    assert output["confusion"] == at_end["confusion"]
    assert (output["format"], output["name"], output["images"], output["data"]["name"]) == (1, "tiny", 150, "digits")
    assert (run / "confusion.svg").read_bytes() == (trained[0] / "confusion.svg").read_bytes()
    ElementTree.parse(run / "confusion.svg")


def test_the_runs_own_picture_is_kept(cli: Cli, run: Path) -> None:
    drawn = (run / "confusion.svg").read_bytes()
    for options in (["--limit-test", 20], ["--data", "folder:other"], []):
        if "--data" in options:
            folder_of_images(Path("other"), 10)
        done = cli("evaluate", run, *options, "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["picture"] == "run/confusion-evaluate.svg"
        assert (run / "confusion-evaluate.svg").read_bytes() != drawn
    assert (run / "confusion.svg").read_bytes() == drawn


def test_evaluate_equals_the_arithmetic_by_hand(cli: Cli, run: Path) -> None:
    output = json.loads(cli("evaluate", run, "--batch-size", 7, "--json").out)
    test = load_data("digits", "test")
    outputs = logits(run, test.images)
    assert output["images"] == len(test) == 355
    assert output["loss"] == pytest.approx(torch.nn.functional.cross_entropy(outputs, test.labels).item(), rel=1e-5)
    expected = [[int(((test.labels == t) & (outputs.argmax(1) == p)).sum()) for p in range(10)] for t in range(10)]
    assert output["confusion"]["rows"] == expected


def test_the_table_is_plain_text_and_holds_the_matrix(cli: Cli, run: Path) -> None:
    output = json.loads(cli("evaluate", run, "--json").out)
    done = cli("evaluate", run)
    assert "\x1b" not in done.out
    lines = done.out.splitlines()
    assert lines[0] == "tiny on digits, test split: 355 images"
    assert lines[1] == f"loss {output['loss']:.4f}, accuracy {output['accuracy']:.4f}"
    rows = [line.replace("·", "0").split() for line in lines if " % " in line]
    assert [[int(cell) for cell in row[3:]] for row in rows] == output["confusion"]["rows"]
    assert [row[1] for row in rows] == [f"{100 * c['accuracy']:.1f}" for c in output["per_class"]]
    assert lines[-1] == "picture: run/confusion-evaluate.svg"  # of more images than the run was tested on
    assert max(map(len, lines)) <= 80


def test_train_shows_it_too(cli: Cli, run: Path) -> None:
    done = cli("train", run / "spec.yaml", *FEW, "--epochs", 1)
    assert "row: true class; column: predicted class" in done.out
    assert sum(" % " in line for line in done.out.splitlines()) == 10


def folder_of_images(root: Path, classes: int) -> None:
    for split in ("train", "test"):
        for k in range(classes):
            (root / split / f"c{k:02}").mkdir(parents=True)
            Image.fromarray(np.full((8, 8), 10 * k, np.uint8)).save(root / split / f"c{k:02}" / "a.png")


def test_many_classes_are_a_list_and_other_data_is_told(cli: Cli, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of_images(tmp_path / "many", 20)
    text = SPEC.replace("linear: 10", "linear: 21").replace("data: digits", "data: 'folder:many'")
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    trained = cli("train", "s.yaml", "--run-dir", "r", "--epochs", 1)
    assert "the 10 of 20 classes with the lowest accuracy" in trained.out
    assert sum(line.strip()[:1].isdigit() and " c" in line for line in trained.out.splitlines()) == 10
    done = cli("evaluate", "r")
    assert sum(" c" in line and "%" in line for line in done.out.splitlines()) == 20
    other = cli("evaluate", "r", "--data", "digits")
    assert "warning: the run learned other classes (c00, c01, c02, c03, …) than these (0, 1, 2, 3, …): " in other.err
    assert other.out.splitlines()[-1] == "picture: r/confusion-evaluate.svg"
    (tmp_path / "i.png").write_bytes((tmp_path / "many/test/c03/a.png").read_bytes())
    names = json.loads(cli("predict", "r", "i.png", "--top", 99, "--json").out)["images"][0]["classes"]
    assert {c["class"] for c in names} == {f"c{k:02}" for k in range(20)} | {"output 20"}


def without_digest(run: Path) -> Path:
    """The weights, of which nothing says any more what they were."""
    (run / "weights.sha256").unlink()
    return run / "weights.safetensors"


def without_weights(run: Path) -> None:
    (run / "weights.safetensors").unlink()
    shutil.rmtree(run / "checkpoints")


def test_a_run_that_was_stopped_is_evaluated_at_its_newest_sound_checkpoint(cli: Cli, run: Path) -> None:
    whole = cli("evaluate", run, "--json")
    (run / "weights.safetensors").unlink()
    stopped = cli("evaluate", run, "--json")
    *_, newest = sorted((run / "checkpoints").iterdir())
    assert stopped.code == 0
    assert f"note: the run is not finished: the weights are those of {newest.name} (step " in stopped.err
    assert json.loads(stopped.out) == json.loads(whole.out), "the last checkpoint is the run's end"
    assert "note: the run is not finished" in cli("predict", run, run / "gone.png").err
    (newest / "weights.safetensors").write_bytes(b"junk")
    damaged = cli("evaluate", run, "--json")
    assert damaged.code == 0
    assert f"warning: {newest} is damaged and skipped: weights.safetensors: its SHA-256 is not what" in damaged.err
    assert json.loads(damaged.out) != json.loads(whole.out)
    for checkpoint in (run / "checkpoints").iterdir():
        (checkpoint / "weights.safetensors").write_bytes(b"junk")
    assert_refused(cli("evaluate", run), "RUN314", "no checkpoint in")


def test_the_average_of_the_weights_is_what_is_evaluated(cli: Cli, run: Path) -> None:
    assert cli("train", run / "spec.yaml", *FEW, "--run-dir", "ema", "--set", "train.ema=0.9").code == 0
    whole = cli("evaluate", "ema", "--json")
    Path("ema/weights.safetensors").unlink()
    stopped = cli("evaluate", "ema", "--json")
    assert stopped.code == 0, stopped.err
    assert json.loads(stopped.out) == json.loads(whole.out)


@pytest.mark.parametrize(("change", "code", "text"), [
    (shutil.rmtree, "RUN360", "there is no run in run: there is no such folder"),
    (without_weights, "RUN360", "run has no weights.safetensors and no checkpoint: the run was stopped before its first"),
    (lambda run: (run / "spec.yaml").unlink(), "RUN360", "there is no run in run: it has no spec.yaml"),
    (lambda run: (run / "weights.safetensors").write_bytes(b"junk"), "RUN361", "its SHA-256 is not the one in"),
    (lambda run: without_digest(run).write_bytes(b"junk"), "RUN361", "is not a safetensors file"),
    (lambda run: save_file({"a": torch.zeros(1)}, without_digest(run)), "RUN361", "it lacks `head.linear_1"),
    (lambda run: (run / "spec.yaml").write_text("archspec: 1\n"), "SPEC011", "input"),
], ids=range(7))
@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_broken_folders(cli: Cli, run: Path, command: str, change, code: str, text: str) -> None:
    change(run)
    done = cli(command, run, *(["x.png"] if command == "predict" else []))
    assert_refused(done, code, text)


def assert_refused(done: Result, code: str, text: str) -> None:
    assert done.code == 1
    assert code in done.err
    assert text in done.err
    assert "Traceback" not in done.err
    assert not done.out or json.loads(done.out)["diagnostics"][0]["code"] == code  # with --json


@pytest.mark.parametrize(("options", "code", "text"), [
    (["--data", "cifar10"], "RUN303", "cifar10"),
    (["--data", "nope"], "RUN304", "nope"),
    (["--device", "cuda:99"], "BUILD202", "cuda:99"),
    (["--batch-size", 10**12], "BUILD201", "batches of"),
], ids=str)
def test_evaluate_mistakes(cli: Cli, run: Path, options: list, code: str, text: str) -> None:
    assert_refused(cli("evaluate", run, *options), code, text)


@pytest.mark.parametrize("content", [
    "{", "[]", '{"data": {"classes": 3}}', '{"data": {"classes": [1, 2]}}', "[" * 100_000, "\xff",
    json.dumps({"data": {"classes": ["x"] * 99}}),
], ids=range(7))
def test_a_broken_environment_costs_the_names_at_most(cli: Cli, run: Path, content: str) -> None:
    (run / "environment.json").write_text(content, encoding="latin-1")
    Image.new("L", (8, 8)).save("a.png")
    (row,) = json.loads(cli("predict", run, "a.png", "--top", 10, "--json").out)["images"]
    assert sorted(c["class"] for c in row["classes"]) == list("0123456789")


# -- predict -------------------------------------------------------------------------------------------------------


def digit(number: int, path: str) -> torch.Tensor:
    """Save an image of the test split; returns it."""
    image = load_data("digits", "test").images[number]
    Image.fromarray(image[0].numpy()).save(path)
    return image


def test_predict_equals_the_arithmetic_by_hand(cli: Cli, run: Path) -> None:
    images = torch.stack([digit(k, f"{k}.png") for k in range(5)])
    done = cli("predict", run, *(f"{k}.png" for k in range(5)), "--json", "--batch-size", 2)
    assert done.code == 0, done.err
    output = json.loads(done.out)
    shares, places = logits(run, images).softmax(1).topk(3)
    assert [row["image"] for row in output["images"]] == [f"{k}.png" for k in range(5)]
    assert [[int(c["class"]) for c in row["classes"]] for row in output["images"]] == places.tolist()
    for row, expected in zip(output["images"], shares.tolist(), strict=True):
        assert [c["probability"] for c in row["classes"]] == pytest.approx(expected, rel=1e-4)


def test_predict_in_words(cli: Cli, run: Path) -> None:
    digit(0, "a.png")
    digit(1, "a longer name.png")
    output = json.loads(cli("predict", run, "a.png", "a longer name.png", "--json").out)
    rows = [row["classes"] for row in output["images"]]
    lines = cli("predict", run, "a.png", "a longer name.png", "--top", 2).out.splitlines()
    for line, name, row in zip(lines, ["a.png", "a longer name.png"], rows, strict=True):
        assert line.startswith(name)
        cells = [f"{c['class']} {100 * c['probability']:.1f} %" for c in row]
        assert line.index(cells[0]) == 19
        assert cells[1] in line
        assert cells[2] not in line.replace(cells[1], "").replace(cells[0], "")


def test_images_are_resized_as_a_folders_are(cli: Cli, run: Path) -> None:
    big = np.random.default_rng(0).integers(0, 255, (20, 30), np.uint8)
    Image.fromarray(big).save("big.png")
    Image.fromarray(big).resize((8, 8), Image.Resampling.BILINEAR).save("small.png")
    big_row, small_row = json.loads(cli("predict", run, "big.png", "small.png", "--json").out)["images"]
    assert big_row["classes"] == small_row["classes"]


def test_a_broken_image_is_named_and_the_others_are_predicted(cli: Cli, run: Path) -> None:
    digit(0, "good.png")
    Path("text.png").write_text("no image")
    Path("cut.png").write_bytes(Path("good.png").read_bytes()[:60])
    Image.new("RGB", (8, 8), (9, 8, 7)).save("colour.png")
    names = ["text.png", "good.png", "cut.png", "missing.png", "colour.png", "run"]
    done = cli("predict", run, *names)
    assert done.code == 1
    assert [line.split()[0] for line in done.out.splitlines()] == ["good.png"]
    for code, name in [
        ("RUN307", "text.png is not an image"), ("RUN307", "cut.png cannot be decoded"),
        ("RUN307", "missing.png: no such file"), ("RUN303", "colour.png "), ("RUN305", "run is a folder, not an image"),
    ]:
        assert f"error[{code}]: {name}" in done.err
    assert "hint: name the images in it, for example `run/*.png`" in done.err
    assert done.err.count("hint: name intact images: .png, ") == 2
    assert not any(word in done.err for word in ("restore it", "remove it", "is gone"))
    output = cli("predict", run, *names, "--json")
    assert output.code == 1
    rows = json.loads(output.out)["images"]
    codes = [row.get("error", {}).get("code") for row in rows]
    assert codes == ["RUN307", None, "RUN307", "RUN307", "RUN303", "RUN305"]


def test_predict_reads_what_training_reads_and_says_what_it_does(cli: Cli, run: Path) -> None:
    """A GIF, a 16-bit TIFF, a photograph lying on its side, by the decoder of training; columns for wide names."""
    image = digit(0, "a.png")
    Image.fromarray(image[0].numpy()).save("数字.gif")
    Image.fromarray(image[0].numpy().astype("uint16") * 257).save("deep.tif")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image[0].numpy()).transpose(Image.Transpose.ROTATE_90).save("side.png", exif=exif)
    done = cli("predict", run, "a.png", "数字.gif", "deep.tif", "side.png", "--json")
    first, *others = [row["classes"] for row in json.loads(done.out)["images"]]
    assert others == [first] * 3
    assert "note: 1 image is turned upright by the EXIF orientation" in done.err
    assert "note: 1 image is scaled to 8 bits" in done.err
    lines = cli("predict", run, "a.png", "数字.gif").out.splitlines()
    assert [line.split("  ", 1)[0] for line in lines] == ["a.png", "数字.gif"]
    assert lines[0].startswith("a.png     ")  # as wide as 数字.gif, whose characters take two columns each
    assert lines[1].startswith("数字.gif  ")


def test_a_dangling_link_and_a_newline_in_a_name(cli: Cli, run: Path) -> None:
    Path("Gone.png").symlink_to("No/Where.png")
    Path("two\nlines.png").write_bytes(b"")
    done = cli("predict", run, "Gone.png", "two\nlines.png")
    assert "error[RUN305]: Gone.png is a link to No/Where.png, which does not exist" in done.err
    assert "error[RUN307]: two\\nlines.png is not an image: it is empty" in done.err


def test_grey_images_for_a_network_of_three_channels(cli: Cli, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = SPEC.replace("[1, 8, 8]", "[3, 8, 8]").replace("mean: 0.3", "mean: [0.3, 0.2, 0.1]").replace(
        "std: 0.4", "std: [0.4, 0.4, 0.4]")
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    assert cli("train", "s.yaml", *FEW, "--run-dir", "r", "--epochs", 1).code == 0
    Image.new("L", (8, 8), 77).save("grey.png")
    Image.new("RGB", (8, 8), (77, 77, 77)).save("rgb.png")
    done = cli("predict", "r", "grey.png", "rgb.png", "--json")
    grey, rgb = json.loads(done.out)["images"]
    assert grey["classes"] == rgb["classes"]


def test_predict_needs_an_image(cli: Cli, run: Path) -> None:
    assert cli("predict", run).code == 2
    assert cli("predict", run, "a.png", "--top", 0).code == 2
