"""Which tensor of a file goes where."""

import pytest
import torchvision
from torch import nn

from archspec.api import load
from archspec.train.pretrained.matching import TensorInfo, by_name, by_order, tensors_in

TRUNK = [("stem.weight", (8, 3, 3, 3)), ("stem.bias", (8,)), ("norm.weight", (8,)), ("norm.bias", (8,)),
         ("norm.num_batches_tracked", ())]


def infos(*tensors, counter="I64"):
    return [TensorInfo(name, shape, counter if name.endswith("tracked") else "F32") for name, shape in tensors]


def head(classes, name="head"):
    return [(f"{name}.weight", (classes, 8)), (f"{name}.bias", (classes,))]


def test_by_name_lists_everything_that_has_no_counterpart():
    match = by_name(infos(*TRUNK, *head(10), ("own.weight", (3,))), infos(*TRUNK, *head(5), ("other.bias", (3,))))
    assert set(match.pairs) == {"stem.weight", "stem.bias", "norm.weight", "norm.bias"}
    assert match.misfits == {"head.weight": "head.weight", "head.bias": "head.bias"}
    assert (match.missing, match.unused, match.whole) == (("own.weight",), ("other.bias",), False)


def test_halves_of_numbers_are_taken_and_integers_are_not():
    network = infos(("a.weight", (2,)), ("b.weight", (2,)))
    match = by_name(network, [TensorInfo("a.weight", (2,), "BF16"), TensorInfo("b.weight", (2,), "I64")])
    assert (match.pairs, match.misfits) == ({"a.weight": "a.weight"}, {"b.weight": "b.weight"})


def test_counters_are_neither_missing_nor_unused():
    """PyTorch added them in 2018: older files have none."""
    old = [tensor for tensor in infos(*TRUNK) if not tensor.counts]
    assert by_name(infos(*TRUNK), old).whole
    assert by_order(infos(*TRUNK), old).whole
    assert by_order(old, infos(*TRUNK)).whole


def renamed(tensors):
    return [(f"features.{k}.{name.rpartition('.')[2]}", shape) for k, (name, shape) in enumerate(tensors)]


def test_by_order_names_do_not_count():
    match = by_order(infos(*TRUNK, *head(10)), infos(*renamed([*TRUNK, *head(10)])))
    assert match.whole
    assert match.pairs["head.bias"] == "features.6.bias"


def test_a_head_of_other_classes_is_the_only_misfit():
    match = by_order(infos(*TRUNK, *head(10)), infos(*renamed([*TRUNK, *head(1000)])))
    assert match.misfits == {"head.weight": "features.5.weight", "head.bias": "features.6.bias"}
    assert len(match.pairs) == 4


@pytest.mark.parametrize(("network", "file", "missing", "unused"), [
    ([*TRUNK, *head(10)], [*TRUNK, *head(6, "aux"), *head(10, "fc")], [], ["aux.weight", "aux.bias"]),
    ([*TRUNK, *head(6, "aux"), *head(10)], [*TRUNK, *head(10)], ["aux.weight", "aux.bias"], []),
    ([*TRUNK], [*TRUNK, *head(10)], [], ["head.weight", "head.bias"]),
    ([*TRUNK, ("up.weight", (8, 8, 2, 2))], [*TRUNK, *head(10)], ["up.weight"], ["head.weight", "head.bias"]),
])
def test_what_one_has_more_is_left_out(network, file, missing, unused):
    match = by_order(infos(*network), infos(*file))
    assert (list(match.missing), list(match.unused), match.misfits) == (missing, unused, {})
    assert all(match.pairs[name] == name for name, _ in TRUNK[:4])


def test_what_a_module_holds_itself_may_stand_elsewhere():
    """As a layer scale or a class token of torchvision, which PyTorch lists before the layers of its module."""
    scale = ("block.layer_scale", (8, 1, 1))
    match = by_order(infos(*TRUNK, scale, *head(10)), infos(scale, *TRUNK, *head(10)))
    assert match.whole
    assert all(mine == other for mine, other in match.pairs.items())


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_small", "convnext_tiny", "densenet121"])
def test_torchvisions_networks_match_the_zoo(name):
    """Every tensor, in the order of torchvision's state_dict; the shipped spec has other names."""
    state = torchvision.models.get_model(name, weights=None).state_dict()
    file = [TensorInfo(key, tuple(tensor.shape), "F32" if tensor.is_floating_point() else "I64")
            for key, tensor in state.items()]
    match = by_order(tensors_in(load(f"zoo/{name}").graph), file)
    assert match.whole
    assert len(match.pairs) == sum(not tensor.counts for tensor in file)


def test_the_tensors_of_a_graph_are_those_of_its_module():
    from archspec.api import build

    spec = "archspec: 1\ninput: [3, 8, 8]\nstages: {body: [conv2d: {out_channels: 4, kernel_size: 3}, batch_norm2d]}\n"
    state = build(spec).state_dict()
    expected = [(name, tuple(tensor.shape), "F32" if tensor.is_floating_point() else "I64")
                for name, tensor in state.items()]
    assert [(t.name, t.shape, t.dtype) for t in tensors_in(load(spec).graph)] == expected


def test_sizes_in_bytes():
    assert [TensorInfo("a", (3, 2), kind).nbytes for kind in ("F32", "BF16", "F64", "U8", "I64")] == [24, 12, 48, 6, 48]
    assert nn.Linear(3, 2).weight.nbytes == TensorInfo("w", (2, 3)).nbytes
