"""Whether a value is an image with its channels first, which its shape alone does not show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final

from archspec.diagnostics import Hint
from archspec.ir import Graph, Site, interpret
from archspec.language.fixes import moved
from archspec.language.input_override import given_as_option
from archspec.language.syntax import At
from archspec.lower.builder import Draft, Val
from archspec.ops import Op, Operation
from archspec.ops.traits import FeaturesLast, KeepsLayout, Projects
from archspec.types import channels_first

_CHANNELS: Final = (1, 2, 3, 4)  # of most images and sounds
Judge = Callable[[Operation], bool | None]


def is_image(value: Val | None) -> bool:
    """Whether a value is an image (N, C, H, W) or a volume: no op between the input and here has reordered it."""
    while value is not None and value.tensor is not None and value.tensor.ndim > 3:
        draft = next((d for d in value.owner.drafts if d.output is value), None)
        if draft is None:
            return value.source is None  # the network's input
        verdict = _verdict(draft, _of_op)
        if verdict is not None:
            return verdict
        value = value.source
    return False


def is_sequence(value: Val | None) -> bool:
    """Whether a value is a sequence with its features last (N, L, C), because an op that gives such made it."""
    while value is not None and value.tensor is not None and value.tensor.ndim == 3:
        draft = next((d for d in value.owner.drafts if d.output is value), None)
        verdict = False if draft is None else _verdict(draft, _of_sequence_op)
        if verdict is not None:
            return verdict
        value = value.source
    return False


@cache
def layout_warning(cls: type[Operation]) -> tuple[str, str] | None:
    """The code of the warning if the op's input has another layout than it expects, and the op to put before it then.

    SHAPE112: it works along the last dimension, which is the width of an image. SHAPE113: it takes (N, C, L), and would
    take the positions of a sequence with its features last as channels.
    """
    projects = cls.trait(Projects)
    if projects is not None and projects.images is not None:
        return "SHAPE112", projects.images
    return ("SHAPE113", "permute: [0, 2, 1]") if issubclass(cls, Op) and cls.ndim == 3 else None


def turned_input(flow: Val, inputs: Mapping[str, tuple[Val, At]]) -> str | None:
    """The hint if the input from which this value was computed has its channels last, so that a window does not fit."""
    tensor, at = flow.origin.tensor, _place_of_input(flow, inputs)
    turned = None if tensor is None else channels_first(tensor.shape[1:])
    return None if at is None or turned is None else _rewritten(at, turned, "channels come first")


def batched_input(flow: Val, inputs: Mapping[str, tuple[Val, At]], ndim: int | None) -> str | None:
    """The hint if the input from which this value was computed is written with its batch: `[1, 3, 224, 224]`.

    ndim: the dimensions that the op takes, batch included.
    """
    tensor, at = flow.origin.tensor, _place_of_input(flow, inputs)
    if at is None or tensor is None or ndim is None or tensor.ndim != ndim + 1 or tensor.shape[1] != 1:
        return None
    rest = tensor.shape[2:]
    return _rewritten(at, rest, "shapes have no batch") if rest[0] in _CHANNELS else None


def gray_input(flow: Val, inputs: Mapping[str, tuple[Val, At]], ndim: int | None) -> str | None:
    """The hint if the input from which this value was computed is an image without channels: `[28, 28]`.

    ndim: the dimensions that the op takes, batch included.
    """
    tensor, at = flow.origin.tensor, _place_of_input(flow, inputs)
    if at is None or tensor is None or ndim != 4 or tensor.ndim != 3 or tensor.shape[1] != tensor.shape[2]:
        return None
    return _rewritten(at, (1, *tensor.shape[1:]), "an image has channels")


def _place_of_input(flow: Val, inputs: Mapping[str, tuple[Val, At]]) -> At | None:
    """Where the input is written from which a value was computed."""
    return next((at for value, at in inputs.values() if value is flow.origin), None)


def _rewritten(at: At, sizes: Iterable[object], why: str) -> str:
    """The hint to write an input with other sizes."""
    sizes = tuple(sizes)
    option = given_as_option(at, sizes)
    if option is not None:
        return f"{why}: write `{option}`"
    shape = f"[{', '.join(map(str, sizes))}]"
    what = "input" if at.path == ("input",) else str(at.path[-1])
    return moved(Hint(f"{why}: write `{what}: {shape}`", shape), at)


def _verdict(draft: Draft, of_op: Judge) -> bool | None:
    """`of_op` for the output of a node, which may be a graph."""
    target = draft.target
    if target is None:
        return False
    if not isinstance(target, Graph):
        return of_op(target)

    def after(site: Site, verdicts: tuple[bool | None, ...]) -> list[bool | None]:
        assert site.node.op is not None
        verdict = of_op(site.node.op)
        return [verdicts[0] if verdict is None and verdicts else verdict] * len(site.node.outputs)

    return interpret(target, [None] * len(target.inputs), after)[0]


def _of_op(op: Operation) -> bool | None:
    """Whether the op outputs an image with its channels first. None: it does if its input is one."""
    if isinstance(op, Op) and op.ndim is not None and op.ndim > 3:
        return True
    return None if op.trait(KeepsLayout) is not None else False


def _of_sequence_op(op: Operation) -> bool | None:
    """Whether the op outputs a sequence with its features last. None: it does if its input is one."""
    if op.trait(FeaturesLast) is not None:
        return True
    if isinstance(op, Op) and op.ndim == 3:
        return False
    return None if op.trait(KeepsLayout) is not None or op.trait(Projects) is not None else False
