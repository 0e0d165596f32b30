"""Applies the change of a finding to a spec.

The keys of a change are `train.FIELD`, with the new value in the recipe (None: the default), and three that change
layers: `layers.norm` (batch_norm: insert one between each convolution or linear layer and the activation after it),
`layers.activation` (replaces sigmoid and tanh) and `layers.dropout` (the probability of every dropout layer).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from archspec.language.recipe import merge_recipe
from archspec.ops import OPS, Operation
from archspec.ops.traits import RECTIFIED, Drops, Normalises, Projects, Saturates

RECIPE: Final = "train."


def _rectifier() -> str:
    traits = ((name, op.trait(Saturates)) for name, op in OPS.items())
    return next(name for name, trait in traits if trait is not None and trait.family is RECTIFIED)


RECTIFIER: Final = _rectifier()  # replaces a sigmoid or tanh


def norm_after(cls: type[Operation]) -> str | None:
    """The op that normalises the output of this op with weights over the batch; None if there is none."""
    if cls.trait(Projects) is None:
        return None
    rank = 1 if cls.ndim is None else cls.ndim - 2  # of a norm: the dimensions after the channels
    norms = ((name, op.trait(Normalises), getattr(op, "rank", None)) for name, op in OPS.items())
    return next((name for name, norm, of in norms if norm is not None and norm.batch and of == rank), None)


def apply_change(data: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the spec with the change. data: the resolved spec as plain data."""
    edited = deepcopy(dict(data))
    fields = {key.removeprefix(RECIPE): value for key, value in change.items() if key.startswith(RECIPE)}
    if fields.get("weight_decay") == 0:
        fields["decay_norm_and_bias"] = None  # without weight decay it has no effect
    if fields:
        edited["train"] = merge_recipe(edited.get("train"), fields)
    if any(key.startswith("layers.") for key in change):
        edited.pop("expect", None)  # it describes the unchanged network
    if "layers.dropout" in change:
        _edit(edited, lambda layers: [_with_dropout(layer, change["layers.dropout"]) for layer in layers])
    if "layers.activation" in change:
        _edit(edited, lambda layers: [_with_activation(layer, change["layers.activation"]) for layer in layers])
    if "layers.norm" in change:
        _edit(edited, _normed)
    return edited


def change_text(change: Mapping[str, Any]) -> str:
    """`lr 0.1`; `relu for sigmoid and tanh, init kaiming_normal`; `no change`."""
    if not change:
        return "no change"
    return ", ".join(_text(key, value) for key, value in change.items())


def _text(key: str, value: Any) -> str:
    if key == "layers.norm":
        return "batch norm before each activation"
    if key == "layers.activation":
        return f"{value} for sigmoid and tanh"
    if key == "layers.dropout":
        return f"dropout {value:g}"
    name = key.removeprefix(RECIPE)
    if value is None:
        return f"no {name}"
    if name == "warmup":
        return f"a warm-up of {value['steps']} steps"
    return f"{name} {value:g}" if isinstance(value, (int, float)) else f"{name} {value}"


def _edit(data: dict[str, Any], rewrite: Callable[[list[Any]], list[Any]]) -> None:
    """Apply `rewrite` to every list of layers in stages and blocks; a single layer counts as a list of one."""
    for part in ("stages", "blocks"):
        if isinstance(data.get(part), dict):
            data[part] = {name: _walk(value, rewrite, layer=part == "stages") for name, value in data[part].items()}


def _walk(value: Any, rewrite: Callable[[list[Any]], list[Any]], *, layer: bool = False) -> Any:
    if isinstance(value, list):
        return rewrite([_walk(item, rewrite) for item in value])
    if isinstance(value, dict):
        walked = {key: _walk(item, rewrite, layer=key == "body") for key, item in value.items()}
        return _single(walked, rewrite) if layer else walked
    return _single(value, rewrite) if layer else value


def _single(value: Any, rewrite: Callable[[list[Any]], list[Any]]) -> Any:
    changed = rewrite([value])
    return changed[0] if len(changed) == 1 else changed


def _op(layer: Any) -> type[Operation] | None:
    """The op that a layer names; None if it names none."""
    if isinstance(layer, str):
        return OPS.get(layer)
    return next((OPS[key] for key in layer if key in OPS), None) if isinstance(layer, dict) else None


def _normed(layers: list[Any]) -> list[Any]:
    edited = []
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        edited.append(layer)
        op = _op(layer)
        norm = None if op is None else norm_after(op)
        following = _op(after)
        if norm is not None and following is not None and following.is_activation():
            edited.append(norm)
    return edited


def _with_activation(layer: Any, name: str) -> Any:
    op = _op(layer)
    trait = None if op is None else op.trait(Saturates)
    if op is None or trait is None or trait.family.high is None:
        return layer
    if isinstance(layer, str):
        return name
    return {name if key == op.op else key: {} if key == op.op else value for key, value in layer.items()}


def _with_dropout(layer: Any, share: float) -> Any:
    op = _op(layer)
    if op is None or op.trait(Drops) is None:
        return layer
    if isinstance(layer, str):
        return {layer: share}
    return {key: share if key == op.op else value for key, value in layer.items()}
