"""A network that starts from trained weights."""

import json

import pytest
import torch
from safetensors.torch import save_file

from archspec.api import build, load
from archspec.diagnostics import SpecError
from archspec.language.finetuning import Initialisation
from archspec.language.torchvision_files import FILES
from archspec.train.pretrained.initial import initial_weights
from archspec.train.setup import Machine, fresh_model, prepare
from tests.train.helpers import CPU

SPEC = """
archspec: 1
input: [1, 8, 8]
stages:
  stem: [conv2d: {out_channels: 4, kernel_size: 3}, batch_norm2d, relu]
  head: [flatten, linear: 10]
train: {data: digits, lr: 0.1, epochs: 1, init: INIT}
"""


def spec(**init):
    return SPEC.replace("INIT", json.dumps(init))


def trained_state():
    model = build(spec(), seed=7)
    model.stem[1].running_mean.copy_(torch.arange(4))
    model.stem[1].num_batches_tracked.fill_(9)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def started(**init):
    loaded = load(spec(**init))
    return fresh_model(loaded.graph, loaded.recipe(), Machine(CPU))


def equal(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def diagnostic(**init):
    with pytest.raises(SpecError) as caught:
        started(**init)
    (found,) = caught.value.diagnostics
    return found


def test_a_safetensors_file_gives_every_tensor_by_name(tmp_path):
    save_file(trained_state(), tmp_path / "w.safetensors")
    equal(started(**{"from": str(tmp_path / "w.safetensors"), "strict": True}).state_dict(), trained_state())


def test_what_the_file_lacks_keeps_what_the_rules_gave_it(tmp_path):
    """A head for another number of classes, say."""
    state = trained_state()
    state["head.linear_1.weight"], state["extra"] = torch.ones(3, 144), torch.ones(2)
    del state["head.linear_1.bias"]
    save_file(state, tmp_path / "w.safetensors")
    source = {"from": str(tmp_path / "w.safetensors"), "weights": "normal", "biases": "zeros"}
    found, fresh = started(**source).state_dict(), started(weights="normal", biases="zeros").state_dict()
    for name in found:
        expected = (fresh if name.startswith("head") else state)[name]
        assert torch.equal(found[name], expected), name
    loaded = load(spec(**source))
    initial = initial_weights(loaded.graph, loaded.recipe().init)
    assert initial.notices() == [
        f"init: 6 of 8 tensors are those of {tmp_path / 'w.safetensors'}, matched by name",
        "init: other shapes: `head.linear_1.weight` is [10, 144], in the file [3, 144]",
        "init: not in the file: `head.linear_1.bias`",
        "init: not used: `extra`",
    ]
    assert initial.to_json() == {
        "from": source["from"], "file": source["from"], "sha256": initial.file.digest, "matched": 6, "of": 8,
        "other_shapes": ["head.linear_1.weight"], "missing": ["head.linear_1.bias"], "unused": ["extra"],
    }


def test_half_precision_becomes_the_networks(tmp_path):
    state = {name: tensor.bfloat16() if tensor.is_floating_point() else tensor for name, tensor in trained_state().items()}
    save_file(state, tmp_path / "w.safetensors")
    found = started(**{"from": str(tmp_path / "w.safetensors")}).state_dict()
    equal(found, {name: tensor.to(found[name].dtype) for name, tensor in state.items()})


def test_torchvisions_files_are_matched_by_order(tmp_path):
    state = {f"features.{k}": tensor for k, tensor in enumerate(trained_state().values()) if tensor.is_floating_point()}
    torch.save(state, tmp_path / "own.pth")
    found = started(**{"from": f"torchvision:{tmp_path / 'own.pth'}"}).state_dict()
    equal({k: v for k, v in found.items() if "tracked" not in k},
          {k: v for k, v in trained_state().items() if "tracked" not in k})


def test_a_name_of_torchvision_is_looked_for_in_torchs_cache(tmp_path, monkeypatch):
    """The file that torchvision prefers, where there are several; nothing is downloaded."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    found = diagnostic(**{"from": "torchvision:resnet50"})
    assert found.code == "RUN363"
    assert "they are not on this machine" in found.message
    assert found.notes == (
        f"looked in {tmp_path / 'checkpoints'} for resnet50-11ad3fa6.pth and resnet50-0676ba61.pth",
    )
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "resnet50-0676ba61.pth").write_bytes(b"damaged")
    assert "its name says 0676ba61: it is damaged" in diagnostic(**{"from": "torchvision:resnet50"}).message


def test_the_table_is_torchvisions():
    from torchvision.models import get_model_weights

    for name, files in FILES.items():
        weights = get_model_weights(name)
        published = {entry.url.rpartition("/")[2] for entry in weights}
        assert set(files) <= published, name
        assert files[0] == weights.DEFAULT.url.rpartition("/")[2]


def test_nothing_that_matches_is_an_error(tmp_path):
    save_file({"other": torch.ones(3)}, tmp_path / "w.safetensors")
    found = diagnostic(**{"from": str(tmp_path / "w.safetensors")})
    assert (found.code, found.message) == ("RUN364", f"no tensor of {tmp_path / 'w.safetensors'} fits the network")
    assert "archspec weights inspect" in found.hint


def test_strict_wants_everything(tmp_path):
    state = trained_state()
    del state["head.linear_1.bias"]
    save_file(state, tmp_path / "w.safetensors")
    found = diagnostic(**{"from": str(tmp_path / "w.safetensors"), "strict": True})
    assert found.code == "RUN364"
    assert "init: not in the file: `head.linear_1.bias`" in found.notes


def link(folder):
    save_file(trained_state(), folder / "real.safetensors")
    (folder / "w.safetensors").symlink_to(folder / "real.safetensors")


def infinite(folder):
    state = trained_state()
    state["stem.conv2d_1.weight"][0] = torch.inf
    save_file(state, folder / "w.safetensors")


def header(folder):
    """It promises a tensor of 4 TiB."""
    text = json.dumps({"stem.conv2d_1.weight": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}})
    (folder / "w.safetensors").write_bytes(len(text).to_bytes(8, "little") + text.encode())


@pytest.mark.parametrize(("make", "words"), [
    (lambda folder: None, "there is no such file or folder"),
    (lambda folder: (folder / "w.safetensors").mkdir(), "it is not the folder of a run: it has no spec.yaml"),
    (lambda folder: (folder / "w.safetensors").write_bytes(b"PK"), "it is not a safetensors file"),
    (link, "it is a link, which is not followed"),
    (infinite, "`stem.conv2d_1.weight` holds infinite or NaN values"),
    (header, "it is not a safetensors file"),
])
def test_what_cannot_be_used_is_told(tmp_path, make, words):
    make(tmp_path)
    found = diagnostic(**{"from": str(tmp_path / "w.safetensors")})
    assert found.code == "RUN363"
    assert words in found.message


def test_a_resumed_run_does_not_look_for_them(tmp_path):
    """Its checkpoint has the weights, and the file may be gone."""
    pytest.importorskip("sklearn")
    loaded = load(spec(**{"from": str(tmp_path / "gone.safetensors")}))
    machine = Machine(CPU, limit_train=32, limit_test=16)
    task = prepare(loaded.graph, loaded.recipe(), machine, resumed=True)
    assert task.recipe.init.source.endswith("gone.safetensors")
    with pytest.raises(SpecError, match="RUN363"):
        prepare(loaded.graph, loaded.recipe(), machine)


def test_rules_are_the_same_without_weights():
    init = Initialisation(**{"from": "x.safetensors", "strict": True, "weights": "normal"})
    assert init.rules() == Initialisation(weights="normal")
