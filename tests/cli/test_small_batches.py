"""One value a channel has no variance: every command, wherever a batch may be too small for a norm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.data.helpers import write_image

from .conftest import Cli

HEADS = {
    "vector": "flatten, linear: 8, batch_norm1d",
    "pixel": "conv2d: {out_channels: 8, kernel_size: 3}, global_avg_pool2d, batch_norm2d, flatten",
    "untracked": "flatten, linear: 8, batch_norm1d: {track_running_stats: false}",
    "image": "batch_norm2d: {track_running_stats: false}, flatten",  # has 64 values a channel: whatever the batch
}
ASKS = ("vector", "pixel", "untracked")
FEW = ("--limit-train", "9", "--limit-test", "8")


@pytest.fixture(autouse=True)
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, head in HEADS.items():
        text = f"archspec: 1\nname: {name}\ninput: [1, 8, 8]\nstages: {{head: [{head}, linear: 10]}}\n"
        Path(f"{name}.yaml").write_text(text + "train: {data: digits, lr: 0.1, batch_size: 8, epochs: 1}\n")


def refused(cli: Cli, *arguments: object, code: str = "BUILD203") -> str:
    done = cli(*arguments)
    assert (done.code, f"error[{code}]" in done.err) == (1, True), done.err
    return done.err


@pytest.mark.parametrize("name", ASKS)
@pytest.mark.parametrize("more", [(), ("--find-lr",), ("--tune",)], ids=["train", "find-lr", "tune"])
def test_a_batch_of_one_cannot_be_trained(cli: Cli, name: str, more: tuple[str, ...]) -> None:
    message = refused(cli, "train", f"{name}.yaml", *FEW, "--batch-size", "1", *more)
    assert "needs 2 images or more to train" in message and "set batch_size to 2 or more" in message


@pytest.mark.parametrize("name", ASKS)
def test_an_epoch_without_a_step(cli: Cli, name: str) -> None:
    for more in ((), ("--find-lr",), ("--tune",)):
        message = refused(cli, "train", f"{name}.yaml", "--limit-train", "1", "--limit-test", "8", *more, code="RUN318")
        assert "an epoch of 1 training image has no step" in message and "train on 2 images or more" in message


@pytest.mark.parametrize("name", HEADS)
def test_what_torch_can_train_is_not_left_out(cli: Cli, name: str) -> None:
    """9 images in batches of 8: one is left over."""
    done = cli("train", f"{name}.yaml", *FEW, "--run-dir", "run")
    assert done.code == 0, done.err
    noted = json.loads(Path("run/environment.json").read_text())["data"]["train_images"]
    assert noted == (9 if name == "image" else 8)
    assert ("needs 2 images or more at a time" in done.err) == (name != "image")
    assert cli("train", f"{name}.yaml", "--find-lr", *FEW).code == 0


@pytest.mark.parametrize("name", HEADS)
def test_one_image_that_is_left_over_for_the_test(cli: Cli, name: str) -> None:
    done = cli("train", f"{name}.yaml", "--limit-train", "8", "--limit-test", "9", "--run-dir", "run")
    if name != "untracked":
        assert done.code == 0, done.err
        return
    assert done.code == 1 and "of 9, 1 would be left for the last batch" in done.err
    assert "set batch_size to 7" in done.err
    assert cli("train", f"{name}.yaml", "--limit-train", "8", "--limit-test", "9", "--batch-size", "7").code == 0


@pytest.mark.parametrize("name", HEADS)
def test_evaluate_and_predict(cli: Cli, name: str) -> None:
    assert cli("train", f"{name}.yaml", "--limit-train", "8", "--limit-test", "8", "--run-dir", "run").code == 0
    for k in range(3):
        write_image(Path(f"{k}.png"), k, "L")
    Path("broken.png").write_bytes(b"no image")
    one = [("evaluate", "run", "--limit-test", "1"), ("evaluate", "run", "--batch-size", "1", "--limit-test", "4"),
           ("evaluate", "run", "--limit-test", "9"),
           ("predict", "run", "0.png"), ("predict", "run", "0.png", "1.png", "2.png", "--batch-size", "2"),
           ("predict", "run", "0.png", "broken.png")]
    for arguments in one:
        done = cli(*arguments)
        if name == "untracked":
            assert done.code == 1 and "error[BUILD203]" in done.err, done.err
        else:
            assert done.code == (1 if "broken.png" in arguments else 0), done.err
    assert cli("evaluate", "run", "--limit-test", "9", "--batch-size", "7").code == 0
    assert cli("predict", "run", "0.png", "1.png", "2.png").code == 0


@pytest.mark.parametrize("name", HEADS)
def test_profile(cli: Cli, name: str, quick_peaks: None) -> None:
    once = ("--steps", "1", "--warmup", "1", "--json")
    done = cli("profile", f"{name}.yaml", "--batch-size", "1", *once)
    if name == "untracked":
        assert done.code == 1 and "error[BUILD203]" in done.err
    else:
        assert done.code == 0, done.err
    assert cli("profile", f"{name}.yaml", "--batch-size", "2", *once).code == 0


def test_groups_of_one_value_are_refused_whatever_the_batch(cli: Cli) -> None:
    text = "archspec: 1\ninput: [3, 8, 8]\nstages: {a: [global_avg_pool2d, group_norm: 3, flatten, linear: 10]}\n"
    Path("groups.yaml").write_text(text)
    message = refused(cli, "validate", "groups.yaml", code="SHAPE102")
    assert "one value per group has no variance" in message
    Path("groups.yaml").write_text(text.replace("group_norm: 3", "group_norm: 1"))
    assert cli("validate", "groups.yaml").code == 0


def test_a_recipe_that_cannot_train_is_found_by_validate(cli: Cli) -> None:
    path = Path("vector.yaml")
    path.write_text(path.read_text().replace("batch_size: 8", "batch_size: 1"))
    assert "vector.yaml:5" in refused(cli, "validate", path)


@pytest.mark.parametrize("more", [(), ("--find-lr",), ("--tune",)], ids=["train", "find-lr", "tune"])
def test_a_network_without_parameters(cli: Cli, more: tuple[str, ...]) -> None:
    text = "archspec: 1\ninput: [1, 8, 8]\nstages: {a: [avg_pool2d: 2, batch_norm2d: {affine: false}, flatten]}\n"
    Path("pools.yaml").write_text(text + "train: {data: digits, lr: 0.1}\n")
    assert "the network has no parameters to train" in refused(cli, "train", "pools.yaml", *FEW, *more, code="BUILD204")
    assert "pools.yaml:4" in refused(cli, "validate", "pools.yaml", code="BUILD204")
    Path("pools.yaml").write_text(text)
    assert cli("validate", "pools.yaml").code == 0


@pytest.mark.parametrize("name", ASKS)
def test_no_recipe_fits_whose_batches_of_one_cannot_be_trained(cli: Cli, name: str) -> None:
    """As `train` says of the same recipe."""
    path = Path(f"{name}.yaml")
    path.write_text(path.read_text().replace("batch_size: 8", "batch_size: 1"))
    message = refused(cli, "fit", path, "--memory", "1GiB")
    assert "needs 2 images or more to train" in message and "set batch_size to 2 or more" in message
    assert "ask for a batch of 2 or more" in refused(cli, "fit", path, "--memory", "1GiB", "--batch-size", "1")
    assert cli("fit", path, "--memory", "1GiB", "--batch-size", "2").out.startswith("yes: ")
