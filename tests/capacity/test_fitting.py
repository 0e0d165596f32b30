"""What `train --fit` changes: as little as possible of the results."""

from dataclasses import replace

import pytest

from archspec.api import load
from archspec.capacity import fitted
from archspec.capacity.fitting import Fitting
from archspec.capacity.stages import every_part
from archspec.diagnostics import SpecError
from archspec.execution import Optimizer, Setting, execute

SETTING = Setting(batch_size=64, optimizer=Optimizer("sgd", 0.9))


def peak(graph, **changes):
    return execute(graph, replace(SETTING, **changes)).peak_bytes


@pytest.mark.parametrize("share", [1, 0.9, 0.8])
def test_with_batch_norm_stages_are_recomputed(share):
    graph = load("resnet18_96").graph
    memory = int(peak(graph) * share)
    found = fitted(graph, SETTING, memory)
    assert found.changes.keys() == ({"recompute"} if share < 1 else set())
    assert found.after == peak(graph, recompute=frozenset(found.changes.get("recompute", ()))) <= memory
    assert (found.before, found.price > 1) == (peak(graph), share < 1)


@pytest.mark.parametrize("share", [0.9, 0.5, 0.35])
def test_without_batch_norm_the_batch_is_divided(share):
    graph = load("lenet").graph
    memory = int(peak(graph) * share)
    found = fitted(graph, SETTING, memory)
    assert found.changes["batch_size"] * found.changes["accumulate"] == 64
    assert 0 <= found.after - peak(graph, **found.changes) <= 8 * 64  # the labels of passes that wait
    assert found.after <= memory
    half = {"batch_size": found.changes["batch_size"] * 2, "accumulate": found.changes["accumulate"] // 2}
    assert peak(graph, **half) > memory
    assert found.price == pytest.approx(1)


def test_what_is_accumulated_already_stays():
    graph = load("lenet").graph
    found = fitted(graph, replace(SETTING, accumulate=3), int(peak(graph, accumulate=3) * 0.6))
    assert found.changes["batch_size"] * found.changes["accumulate"] == 3 * 64


def test_what_is_recomputed_already_is_searched_anew():
    """Stages that are recomputed in vain are not kept, and no part is listed beside its stage."""
    graph = load("resnet18_96").graph
    setting = replace(SETTING, recompute=frozenset({"head", "b2.0"}))
    memory = int(peak(graph) * 0.85)
    assert fitted(graph, setting, memory).changes == fitted(graph, SETTING, memory).changes


def test_parts_are_recomputed_where_whole_stages_are_not_enough():
    """A long repeat as one stage needs all of its activations again; its copies need one copy's at a time."""
    stage = "{sequential: [conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, batch_norm2d, relu], repeat: 12}"
    graph = load(f"archspec: 1\ninput: [8, 16, 16]\nstages: {{a: {stage}, head: [global_avg_pool2d, flatten, linear: 4]}}\n"
                 ).graph
    whole = peak(graph, recompute=frozenset({"a", "head"}))
    memory = int(whole * 0.7)
    found = fitted(graph, SETTING, memory)
    assert found.after <= memory
    assert all(part.startswith("a.") for part in found.changes["recompute"])
    for part in found.changes["recompute"]:
        assert peak(graph, recompute=frozenset(found.changes["recompute"]) - {part}) > memory
    assert "recompute: [a.0–a." in found.text


def test_what_never_fits_names_the_largest_batch():
    graph = load("resnet18_96").graph
    memory = peak(graph, recompute=every_part(graph)) - 1
    with pytest.raises(SpecError) as caught:
        fitted(graph, SETTING, memory)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.hint) == ("BUILD201", "use --batch-size 63")
    assert fitted(graph, replace(SETTING, batch_size=63), memory).after <= memory


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
@pytest.mark.parametrize(("share", "hint"), [(1, "use --precision bf16"), (0.5, "lower the network's width: even a batch of 1 needs ")])
def test_bf16_is_the_remedy_only_where_it_is_enough(share, hint, precision):
    graph = load("archspec: 1\ninput: [3, 64, 64]\nstages: {a: [conv2d: {out_channels: 16, kernel_size: 3}, relu, "
                 "conv2d: {out_channels: 16, kernel_size: 3}, relu, global_avg_pool2d, flatten, linear: 4]}\n").graph
    one = replace(SETTING, batch_size=1, precision=precision, recompute=every_part(graph))
    low = replace(one, precision="bf16")
    assert execute(graph, low).peak_bytes < execute(graph, one).peak_bytes
    with pytest.raises(SpecError) as caught:
        fitted(graph, replace(one, recompute=frozenset()), int(execute(graph, low).peak_bytes * share))
    assert caught.value.diagnostics[0].hint.startswith(hint)


def test_the_line_for_the_user():
    assert Fitting({}, 2**20, 2**20, 1.0, "").text == "fits: a step needs about 1.00 MiB"
    assert Fitting({"recompute": ["a", "b"]}, 2**21, 2**20, 1.25, "the results stay the same").text == (
        "to fit: recompute: [a, b]; a step needs about 1.00 MiB instead of 2.00 MiB, 25 % more multiply-adds; the results "
        "stay the same"
    )
