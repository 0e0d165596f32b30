"""The hint for branches whose sizes disagree because windows in some of them lack padding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from archspec.diagnostics import Edit, Hint, listing
from archspec.diagnostics.hints import EndInput, SetFields
from archspec.ir import Graph
from archspec.language import fixes
from archspec.language.syntax import Body, Layer
from archspec.lower.branches import remedy_of
from archspec.lower.builder import Builder, Val
from archspec.lower.values import Scope
from archspec.lower.widening import output_of
from archspec.ops import OPS, Operation, infer_outputs
from archspec.ops.traits import Windowed
from archspec.types import ShapeError, TensorType

_PARAM: Final = re.compile(r"\$([A-Za-z_]\w*)")
_MOST: Final = 4  # layers without padding in a branch, of which each subset is tried


class Padded(NamedTuple):
    """A layer with padding: the op, and the padding as a spec writes it."""

    layer: Layer
    op: Operation
    text: str


def padded(
    op: Operation, layer: Layer, outputs: Mapping[str, Val], sub: Builder, flow: Val, scope: Scope
) -> Hint | None:
    """The hint to pad windows so that the branches agree, and to end some with a convolution where that is not enough.

    Padding gives all branches the size of the largest one, or of what enters them, or else half of the window to each
    layer without any. None if that makes none agree. op: the merge. sub: its graph, with the branches. The shapes are
    inferred anew.
    """
    types = {name: value.tensor for name, value in outputs.items()}
    known = {name: x for name, x in types.items() if x is not None and x.known}
    if len(known) < len(types) or len({x.ndim for x in known.values()}) > 1:
        return None
    largest = max((x.shape[2:] for x in known.values()), default=())
    entering = flow.tensor.shape[2:] if flow.tensor is not None and flow.tensor.known else largest
    found = [_sized(size, layer, known, sub) for size in dict.fromkeys((largest, entering, None))]
    agreeing = [(padding, ends) for some in found if some for x, padding in (some,)
                if padding and (ends := _ends(op, x)) is not None]
    if not agreeing:
        return None
    return _hint(*min(agreeing, key=lambda both: len(both[1])), layer, scope)


def _sized(
    size: tuple[int, ...] | None, layer: Layer, types: Mapping[str, TensorType], sub: Builder
) -> tuple[dict[str, TensorType], list[Padded]] | None:
    """The branches' outputs, and the padded layers, with which all have this size; None if there are none.

    size: None for whatever size they have with padding in each layer.
    """
    known, chosen = dict(types), list[Padded]()
    for name, x in types.items():
        if x.shape[2:] == size:
            continue
        draft = next((draft for draft in sub.drafts if draft.name == name), None)
        entering = draft.inputs[0].tensor if draft is not None and len(draft.inputs) == 1 else None
        found = draft and entering and _with_size(size, layer.branches[name], draft.target, entering)
        if found:
            known[name], padding = found
            chosen += padding
        elif size is not None:
            return None
    return known, chosen


def _ends(op: Operation, types: Mapping[str, TensorType]) -> list[EndInput] | None:
    """The convolutions at the ends of branches with which the merge takes them; None if others would be needed."""
    known, ends = list(types.values()), list[EndInput]()
    for _ in known:
        try:
            infer_outputs(op, tuple(known))
        except ShapeError as e:
            hint = e.hint
            if not isinstance(hint, EndInput) or len(hint.layers) > 1 or "kernel_size" not in hint.layers[0]:
                return None
            other = next(k for k in e.inputs if k != hint.which)
            known[hint.which] = known[hint.which].reshaped(*known[other].shape)
            ends.append(hint)
        else:
            return ends
    return None


def _with_size(
    size: tuple[int, ...] | None, body: Body, target: Operation | Graph | None, x: TensorType
) -> tuple[TensorType, list[Padded]] | None:
    """The branch's output, and its fewest padded layers, with which it has this size; None if there are none.

    size: None for any, with all layers padded.
    """
    if target is None or (isinstance(target, Graph) and not target.is_chain):
        return None
    ops = [node.target for node in target.nodes] if isinstance(target, Graph) and not body.bare else [target]
    if len(ops) != len(body.layers):
        return None
    without = [k for k, pair in enumerate(zip(body.layers, ops, strict=True)) if _padding(*pair) is not None]
    counts = range(1, len(without) + 1 if len(without) <= _MOST else 2) if size else [len(without)]
    for count in counts:
        for some in combinations(without, count):
            padding = {k: each for k in some if (each := _padding(body.layers[k], ops[k])) is not None}
            y = output_of(x, [padding[k].op if k in padding else ops[k] for k in range(len(ops))])
            if y is not None and (size is None or y.shape[2:] == size):
                return y, list(padding.values())
    return None


def _padding(layer: Layer, op: Operation | Graph) -> Padded | None:
    """The layer with half of its window as padding; None if it has padding, or windows without a middle."""
    trait = None if isinstance(op, Graph) else op.trait(Windowed)
    if isinstance(op, Graph) or trait is None or "padding" not in type(op).model_fields or layer.kind not in OPS:
        return None
    windows = trait.windows(op)
    half = tuple(w.dilation * (w.kernel - 1) // 2 for w in windows)
    if layer.repeat is not None or any(w.before or w.after or w.dilation * (w.kernel - 1) % 2 for w in windows):
        return None
    text = _text(half, layer) if any(half) else None
    return None if text is None else Padded(layer, op.model_copy(update={"padding": half}), text)


def _text(half: tuple[int, ...], layer: Layer) -> str | None:
    """The padding as a number or a list, or as an expression where the kernel is a param; None if that is unclear."""
    fields = layer.args if isinstance(layer.args, dict) else {}
    written = [str(fields.get(name, "")) for name in ("kernel_size", "dilation")]
    if not any("$" in each for each in (*written, str(layer.args) if not fields else "")):
        return str(half[0] if len(set(half)) == 1 else list(half))
    name = _PARAM.fullmatch(written[0])
    return f"$({name[1]} // 2)" if name and not written[1] else None


def of_param(hint: str | None, layer: Layer) -> str | None:
    """A remedy that sets the padding, as an expression where the kernel is a param: other calls have other kernels."""
    fields = layer.args if isinstance(layer.args, dict) else {}
    name = _PARAM.fullmatch(str(fields.get("kernel_size", "")))
    if name is None or not isinstance(hint, SetFields) or [field for field, _ in hint.values] != ["padding"]:
        return hint
    half = f"$({name[1]} // 2)"
    return hint if "dilation" in fields else SetFields(f"write `padding: {half}`", padding=half)


def _hint(chosen: Sequence[Padded], ends: Sequence[EndInput], layer: Layer, scope: Scope) -> Hint:
    names = {id(each): name for name, body in layer.branches.items() for each in body.layers}
    counted = Counter(f"`padding: {each.text}` in `{each.layer.kind}` of `{names[id(each.layer)]}`" for each in chosen)
    words = [text + (f" (of {count} layers)" if count > 1 else "") for text, count in counted.items()]
    edits = [_edits(each) for each in chosen]
    others = [remedy_of(end, layer, list(layer.branches), scope) for end in ends]
    edits += [other.edits if isinstance(other, Hint) else () for other in others]
    text = ", and ".join([f"write {listing(words)}", *map(str, others)])
    return Hint(text, None, tuple(edit for some in edits for edit in some) if all(edits) else ())


def _edits(each: Padded) -> tuple[Edit, ...]:
    main = OPS[each.layer.kind or ""].main
    return fixes.field("", each.layer.at, "padding", each.text, main).edits
