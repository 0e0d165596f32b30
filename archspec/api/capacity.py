"""Whether a network fits into memory, with the recipe of its spec: `archspec fit` for Python."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from archspec.api.examination import load
from archspec.api.loaded import Loaded

if TYPE_CHECKING:
    from archspec.capacity import Answer, Low
    from archspec.devices import Device
    from archspec.execution import Optimizer, Setting
    from archspec.execution.setting import Precision
    from archspec.language.recipe import Recipe

CONTEXT: Final = 1 << 29  # bytes of a GPU that the CUDA context and torch's kernels take


def fits(
    source: Any, *, memory: str | int | None = None, device: str | None = None, recipe: str | None = None,
    batch_size: int | None = None, precision: Precision = "fp32", channels_last: bool = False,
    optimizer: Literal["sgd", "adam", "adamw"] | None = None, **options: Any,
) -> Answer:
    """Whether training and inference of a spec fit into memory, the largest batch, and what makes a batch fit.

    memory: for tensors, as text (`8GiB`) or in bytes. device: a device's name or file; its memory counts if `memory`
    is not given. At least one of them is needed. recipe: one of the spec's `recipes` instead of `train`. batch_size:
    the batch that shall fit; by default the recipe's. optimizer: instead of the recipe's. options: those of `load`.

    Imports no torch. Raises SpecError for mistakes in the spec and the device, and ValueError for others.
    """
    from archspec.execution import Setting
    from archspec.text import parse_bytes

    if memory is None and device is None:
        raise ValueError("pass `memory`, such as \"8GiB\", or `device`, such as \"rtx3060\"")
    limit = parse_bytes(memory) if isinstance(memory, str) else memory
    if limit is not None and limit < 1:
        raise ValueError(f"`memory` must be more than 0 bytes, not {limit}")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"a batch has at least 1 sample, not {batch_size}")
    loaded = load(source, **options)
    setting = Setting(precision=precision, channels_last=channels_last)
    update = None if optimizer is None else chosen_optimizer(optimizer, chosen_recipe(loaded, recipe))
    return fit_answer(loaded, Wanted(limit, device, recipe, batch_size), setting, update)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The memory in bytes, or the device whose memory counts; a recipe's name, and a batch size. See `fits`."""

    memory: int | None
    device: str | None
    recipe: str | None
    batch_size: int | None


def fit_answer(loaded: Loaded, wanted: Wanted, setting: Setting, optimizer: Optimizer | None) -> Answer:
    """The answer for a spec. setting: precision and layout. optimizer: instead of the recipe's.

    Raises SpecError: BUILD203 for a batch that is too small, SPEC063 or BUILD204 if the recipe's `freeze` or
    `recompute` does not suit the network, and those of `time_model`; ValueError for the device `here` without `memory`.
    """
    from archspec.capacity import WORK, Request, answer, predicted_time, recipe_setting
    from archspec.data.recipe_places import at_places
    from archspec.devices import find_device
    from archspec.devices.targets import HERE, target_kind, time_model

    name, recipe = wanted.device, chosen_recipe(loaded, wanted.recipe)
    if wanted.memory is None and name == HERE:
        raise ValueError("`here` has the times of this machine, and no memory: give an amount of memory too")
    known = None if name in (None, HERE) else find_device(str(name))
    setting, model = replace(setting, target=target_kind(name)), time_model(name)
    if name is not None and setting.target == "cpu":  # its memory has to hold oneDNN's copies too
        setting = replace(setting, libraries=True)
    if recipe is not None:
        with at_places(loaded, wanted.recipe):
            setting = recipe_setting(loaded.graph, recipe, setting)
    if optimizer is not None:
        setting = replace(setting, optimizer=optimizer)
    memory = wanted.memory if known is None or wanted.memory is not None else tensor_bytes(known)
    assert memory is not None
    return answer(loaded.graph, Request(
        memory, setting, wanted.batch_size,
        None if recipe is None else recipe.batch_size, WORK if model is None else predicted_time(model),
        _low_precision(known), loaded.name, known, loaded.graph.samples,
    ))


def chosen_recipe(loaded: Loaded, name: str | None) -> Recipe | None:
    """The recipe with this name, or `train` if there is one. Raises SpecError if there is no recipe of the name."""
    return loaded.recipes.get("train") if name is None else loaded.recipe(name)


def chosen_optimizer(kind: str | None, recipe: Recipe | None) -> Optimizer:
    """The recipe's optimizer; of another `kind` with its defaults, as `train --optimizer` has them. SGD without either.
    """
    from archspec.execution import Optimizer

    chosen = kind or ("sgd" if recipe is None else recipe.optimizer)
    momentum = recipe.momentum if recipe is not None and chosen == recipe.optimizer == "sgd" else 0.0
    return Optimizer(chosen, momentum)


def _low_precision(device: Device | None) -> Low | None:
    """The precision of autocast that the device computes in."""
    if device is None or "bf16" in device.peak_tflops:
        return "bf16"
    return "fp16" if "fp16" in device.peak_tflops else None


def tensor_bytes(device: Device) -> int:
    """The memory of a device that tensors can have, in bytes."""
    from archspec.capacity import gpu_tensors

    return gpu_tensors(device.memory_bytes - CONTEXT) if device.kind == "gpu" else device.memory_bytes
