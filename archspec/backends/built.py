"""Records the op from which each layer of a network was built, so that training queries the op, not the torch class."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeVar

from torch import Tensor, nn

from archspec.ops import Operation
from archspec.ops.parameters import ParamSpec
from archspec.ops.traits import Normalises, Trait
from archspec.types import TensorType

_ATTRIBUTE: Final = "archspec_layer"  # of a module; deepcopy and pickle keep it, and print does not show it
_FROZEN: Final = "archspec_frozen"  # the same of a norm
T = TypeVar("T", bound=Trait)


class Built(NamedTuple):
    """The op of a layer, and the types of its inputs."""

    op: Operation
    inputs: tuple[TensorType, ...]

    def __deepcopy__(self, memo: object) -> Built:
        return self  # it is immutable


class Layer(NamedTuple):
    """A layer of a network: its path, its module, and the op and inputs that it was built from."""

    path: str
    module: nn.Module
    op: Operation
    inputs: tuple[TensorType, ...]

    def parameters(self) -> Iterator[tuple[str, Tensor, ParamSpec]]:
        """Its tensors: name in the module, tensor, and the op's specification of it."""
        for name, spec in self.op.parameters(*self.inputs).items():
            owner, _, last = name.rpartition(".")
            yield name, getattr(self.module.get_submodule(owner), last), spec


def build_layer(op: Operation, inputs: tuple[TensorType, ...]) -> nn.Module:
    """A new module of an op, which it remembers. Raises TypeError if its tensors differ from the op's `parameters`."""
    module = op.build(*inputs)
    _check(module, op, op.parameters(*inputs))
    setattr(module, _ATTRIBUTE, Built(op, inputs))
    return module


def layers(model: nn.Module) -> Iterator[Layer]:
    """The layers of a network, in order. Modules that archspec did not build are skipped."""
    for path, module in model.named_modules():
        built: Built | None = getattr(module, _ATTRIBUTE, None)
        if built is not None:
            yield Layer(path, module, *built)


def layers_with(model: nn.Module, kind: type[T]) -> Iterator[tuple[Layer, T]]:
    """The layers whose op has a trait, with that trait."""
    for layer in layers(model):
        trait = layer.op.trait(kind)
        if trait is not None:
            yield layer, trait


def normalises_batch(model: nn.Module) -> bool:
    """Whether the output for an image depends, in training, on the other images of the batch."""
    return any(norm.batch and not is_frozen(layer.module) for layer, norm in layers_with(model, Normalises))


def freeze_norm(module: nn.Module) -> None:
    """Mark a norm that computes as in evaluation while the rest of the network trains, see `training_mode`."""
    setattr(module, _FROZEN, True)


def is_frozen(module: nn.Module) -> bool:
    """Whether `freeze_norm` has marked it."""
    return getattr(module, _FROZEN, False)


def training_mode(model: nn.Module) -> nn.Module:
    """As `model.train()`, but frozen norms stay in evaluation mode: their running statistics are used, not updated."""
    model.train()
    for module in model.modules():
        if is_frozen(module):
            module.eval()
    return model


def _check(module: nn.Module, op: Operation, specs: dict[str, ParamSpec]) -> None:
    """Compare the parameters and buffers of a module with those that its op declares."""
    found = {name: (tuple(p.shape), True) for name, p in module.named_parameters()}
    found |= {name: (tuple(b.shape), False) for name, b in module.named_buffers()}
    listed = {name: (spec.shape, spec.learned) for name, spec in specs.items()}
    if found != listed:
        raise TypeError(f"`{op.op}`: its module has the tensors {_text(found)}, its `parameters` {_text(listed)}")


def _text(tensors: dict[str, tuple[tuple[int, ...], bool]]) -> str:
    each = (f"{name} {list(shape)}" + ("" if learned else " (buffer)") for name, (shape, learned) in tensors.items())
    return ", ".join(each) or "none"
