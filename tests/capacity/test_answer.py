"""Whether a network fits: the largest batch, and options that do what they say."""

import subprocess
import sys
from dataclasses import replace

import pytest

from archspec.api import load
from archspec.capacity import Request, answer, predicted_time, recipe_setting
from archspec.capacity.options import _Search, divisors
from archspec.capacity.simulate import WORK
from archspec.devices.targets import time_model
from archspec.diagnostics import SpecError
from archspec.execution import Optimizer, Setting, execute
from archspec.language.recipe import Recipe
from archspec.text import bytes_text

MIB = 2**20
TRAINED = """archspec: 1
input: [3, 32, 32]
stages:
  stem: [conv2d: {out_channels: 16, kernel_size: 3, padding: 1}, batch_norm2d, relu]
  body: [conv2d: {out_channels: 32, kernel_size: 3, padding: 1}, batch_norm2d, relu, max_pool2d: 4]
  head: [flatten, linear: 10]
train: {data: cifar10, lr: 0.1}
"""
MOMENTUM = Setting(optimizer=Optimizer("sgd", 0.9))


def peak(graph, setting, **changes):
    return execute(graph, replace(setting, **changes)).peak_bytes


@pytest.mark.parametrize(("name", "memory"), [("lenet", 8 * MIB), ("resnet18_96", 700 * MIB), ("zoo/siamese", 1500 * MIB)])
@pytest.mark.parametrize("setting", [MOMENTUM, Setting(precision="bf16", target="cuda", optimizer=Optimizer("adam"))],
                         ids=["fp32", "bf16"])
def test_the_largest_batch_fits_and_one_more_does_not(name, memory, setting):
    graph = load(name).graph
    found = answer(graph, Request(memory, setting))
    for use, training in ((found.training, True), (found.inference, False)):
        assert use.peak_bytes == peak(graph, setting, batch_size=use.largest_batch, training=training) <= memory
        assert peak(graph, setting, batch_size=use.largest_batch + 1, training=training) > memory
        assert use.fits
        assert use.spare_bytes == memory - use.peak_bytes
        assert use.bound == max(use.parts, key=use.parts.get)
        assert use.peak_bytes == sum(use.parts.values()) and min(use.parts.values()) >= 0
    assert not found.options


def test_what_is_bound_by_the_peak():
    """Where all but the last stage is frozen, nothing is kept for backward, and the peak is in the forward pass."""
    graph = load("resnet18_96").graph
    recipe = Recipe.model_validate({"data": "digits", "lr": 0.1, "freeze": ["b1", "b2", "b3", "b4", "b5"]})
    found = answer(graph, Request(8 * MIB, recipe_setting(graph, recipe, MOMENTUM), 64)).training
    assert found.bound == "activations" and found.parts["activations"] > 10 * found.parts["inputs"]


@pytest.mark.parametrize(("name", "batch_size", "share"), [
    ("resnet18_96", 64, 0.7), ("lenet", 256, 0.5), ("nin", 32, 0.8), ("zoo/textcnn", 64, 0.7),
])
def test_options_do_what_they_say(name, batch_size, share):
    """Each is a recipe, or a precision, whose peak is that of its own simulation."""
    graph, setting = load(name).graph, replace(MOMENTUM, batch_size=batch_size, optimizer=Optimizer("adam"))
    memory = int(peak(graph, setting) * share)
    found = answer(graph, Request(memory, setting, batch_size))
    assert not found.training.fits
    assert found.options
    for option in found.options:
        base = {"data": "digits", "lr": 0.1, "batch_size": batch_size, "optimizer": "adam"}
        if option.kind == "optimizer":
            del base["optimizer"]
        recipe = Recipe.model_validate(base | option.recipe)
        changed = recipe_setting(graph, recipe, replace(setting, precision=option.precision or "fp32"))
        labels = 8 * batch_size  # of passes that wait
        assert 0 <= option.peak_bytes - peak(graph, changed) <= (labels if "accumulate" in option.recipe else 0)
        assert option.fits == (option.peak_bytes <= memory)
        assert option.peak_bytes < peak(graph, setting)
        assert recipe.images_per_step == batch_size
    assert any(option.fits for option in found.options)
    prices, peaks = ([x.price for x in found.options if x.fits], [x.peak_bytes for x in found.options if not x.fits])
    assert prices == sorted(prices) and peaks == sorted(peaks)


def test_changes_that_are_not_enough_alone_are_combined():
    """Little memory for a network of three equal stages: bf16 and recomputation; then accumulation too."""
    stage = "[conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, batch_norm2d, relu]"
    graph = load(f"archspec: 1\ninput: [8, 16, 16]\nstages: {{a: {stage}, b: {stage}, c: {stage}, head: [global_avg_pool2d, "
                 "flatten, linear: 4]}\n").graph
    setting = replace(MOMENTUM, batch_size=64)
    both = peak(graph, replace(setting, precision="bf16", recompute=frozenset("abc")))
    options = answer(graph, Request(both, setting, 64)).options
    assert {option.kind: option.fits for option in options if option.kind in ("bf16", "recompute")} == dict.fromkeys(
        ("bf16", "recompute"), False)
    search = _Search(graph, setting, both, WORK)
    assert search.together().text == "--precision bf16, recompute: [a, b]"
    search.memory = both // 2
    assert "accumulate: 4" in search.together().text
    search.memory = 1
    assert search.together() is None


def test_passes_beside_recomputation_differ_by_rounding_too():
    """In bf16 already, so that the passes alone change the results."""
    stage = "[conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, relu]"
    graph = load(f"archspec: 1\ninput: [8, 16, 16]\nstages: {{a: {stage}, b: {stage}, head: [flatten, linear: 4]}}\n").graph
    setting = replace(MOMENTUM, batch_size=8, precision="bf16")
    least = peak(graph, replace(setting, batch_size=1, accumulate=8, recompute=frozenset("ab")))
    found = _Search(graph, setting, int(1.02 * least), WORK).together()
    assert found.recipe["accumulate"] == 8 and found.effect == "the same results up to rounding"


def test_accumulation_warns_of_batch_norm():
    effects = {}
    for name in ("resnet18_96", "lenet"):
        graph, setting = load(name).graph, replace(MOMENTUM, batch_size=64)
        options = answer(graph, Request(int(peak(graph, setting) * 0.8), setting, 64)).options
        effects[name] = next(option.effect for option in options if option.kind == "accumulate")
    assert effects == {"resnet18_96": "batch norm takes its statistics from 32 images",
                       "lenet": "the same results up to rounding"}


def test_what_freezes_more_names_what_is_frozen_already():
    """The option replaces the recipe's `freeze`, so the recipe with it needs the memory that it promises."""
    loaded = load(TRAINED.replace("lr: 0.1", "lr: 0.1, freeze: [head]"))

    def peak_with(*freeze):
        recipe = loaded.recipe().model_copy(update={"freeze": freeze})
        return peak(loaded.graph, recipe_setting(loaded.graph, recipe, Setting()))

    def frozen(memory):
        setting = recipe_setting(loaded.graph, loaded.recipe(), Setting())
        options = answer(loaded.graph, Request(memory, setting, setting.batch_size)).options
        return [(option.recipe["freeze"], option.peak_bytes) for option in options if option.kind == "freeze"]

    enough = peak_with("stem", "head")
    assert enough < peak_with("head")
    assert frozen(enough) == [(["stem", "head"], enough)]
    assert not frozen(enough - 1)  # all that is left to freeze is all that learns


def test_a_pass_of_one_image_has_no_statistics():
    """So a batch that fits only in passes of one has no option to divide it where there is batch norm."""
    for norm, kinds in (("batch_norm2d", set()), ("group_norm: 4", {"accumulate"})):
        graph = load(TRAINED.replace("batch_norm2d", norm)).graph
        memory = peak(graph, replace(MOMENTUM, batch_size=1, accumulate=8))
        assert memory < peak(graph, replace(MOMENTUM, batch_size=2, accumulate=4))
        options = answer(graph, Request(memory, MOMENTUM, 8)).options
        assert {x.kind for x in options if x.fits and x.kind == "accumulate"} == kinds


def test_the_passes_of_a_batch():
    """By an independent count, and of a batch whose divisors cannot be counted one by one."""
    for size in range(1, 200):
        for least in (1, 2, 3):
            assert divisors(size, least) == [k for k in range(2, size + 1) if size % k == 0 and size // k >= least]
    assert len(divisors(2**40, 2)) == 39
    assert divisors(2**63)[:3] == [2, 4, 8]  # at once
    assert divisors(2**63)[-1] == 2**63


def test_the_recipes_batch_is_asked_about_beside_the_largest():
    loaded = load("lenet")
    found = answer(loaded.graph, Request(8 * MIB, MOMENTUM, None, loaded.recipe().batch_size))
    assert (found.usual.batch_size, found.usual.fits) == (256, False)
    assert found.training.batch_size == found.training.largest_batch
    assert found.to_json()["recipe"]["batch_size"] == 256
    assert {option["kind"] for option in found.to_json()["options"]} >= {"accumulate"}


def test_a_network_without_parameters():
    graph = load("archspec: 1\ninput: [3, 8, 8]\nstages: {a: [relu, flatten]}\n").graph
    found = answer(graph, Request(MIB, Setting()))
    assert found.training is None
    assert found.to_json()["largest_batch"] == found.inference.largest_batch > 0


def test_not_even_one():
    found = answer(load("vgg11").graph, Request(MIB, MOMENTUM))
    assert (found.training.largest_batch, found.training.fits, found.training.bound) == (0, False, "weights")


NORM = "archspec: 1\ninput: [1, 8, 8]\nstages: {a: [flatten, linear: 4, batch_norm1d, linear: 2]}\n"  # trains on 2 or more


@pytest.mark.parametrize(("source", "least"), [("lenet", 1), (NORM, 2)], ids=["lenet", "norm"])
def test_why_no_batch_fits(source, least):
    graph = load(source).graph
    found = answer(graph, Request(1, MOMENTUM, 64))
    text = " ".join(str(found).split())
    alone, forward = (peak(graph, MOMENTUM, batch_size=n, training=t) for n, t in ((least, True), (1, False)))
    assert f"; even a batch of {least} needs {bytes_text(alone)}" in text
    assert f"inference: no, even a batch of 1 needs {bytes_text(forward)}" in text


def test_torch_is_not_imported():
    code = ("import sys, archspec.capacity as c; from archspec.api import load; from archspec.execution import Setting;"
            "c.answer(load('lenet').graph, c.Request(8 * 2**20, Setting(), 256)); sys.exit('torch' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_prices_are_predicted_times_on_a_device():
    """Recomputation takes longer, bf16 less on a GPU that computes in it; a T4 does not, and gets fp16."""
    graph, setting = load("resnet18_96").graph, replace(MOMENTUM, batch_size=256, target="cuda")
    memory = int(peak(graph, setting) * 0.8)
    options = answer(graph, Request(memory, setting, 256, price=predicted_time(time_model("h100")))).options
    prices = {option.kind: option.price for option in options}
    assert prices["bf16"] < 0.95 < 1.005 < prices["recompute"] < 1.4
    kinds = {option.kind for option in answer(graph, Request(memory, setting, 256, low="fp16")).options}
    assert "fp16" in kinds
    assert "bf16" not in kinds


def test_a_batch_that_is_too_small_to_train():
    graph = load("archspec: 1\ninput: [3, 8, 8]\nstages: {a: [global_avg_pool2d, batch_norm2d, flatten, linear: 3]}\n").graph
    with pytest.raises(SpecError, match="needs 2 images or more to train"):
        answer(graph, Request(2**30, MOMENTUM, 1))
    assert answer(graph, Request(2**30, MOMENTUM, 2)).training.fits
    options = answer(graph, Request(1, replace(MOMENTUM, optimizer=Optimizer("adam")), 6)).options
    assert all(option.recipe.get("batch_size", 2) >= 2 for option in options)
