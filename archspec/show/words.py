"""The words of a diagram: names, shapes, and what an op's fields say in short."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from archspec.language.written import fields_of
from archspec.ops import Operation
from archspec.ops.traits import Windowed
from archspec.text import bytes_text, count_text, figures_text, sizes_text
from archspec.types import TensorType

MEASURES: Final = {  # what colours the boxes → its name in a legend
    "params": "parameters", "macs": "MACs", "memory": "activations", "saved": "kept for backward",
    "traffic": "bytes read and written", "time": "predicted time",
    "measured": "measured time",
}


def shape_of(x: TensorType) -> str:
    """The shape of a value without the batch: `64×56×56`; `scalar` if nothing is left."""
    return sizes_text(x.shape[1:]) or "scalar"


def name_of(name: str, label: str) -> str:
    """The name of a node, or nothing if it is its label with a number: `conv2d_1`."""
    return "" if re.fullmatch(rf"{re.escape(label)}(_\d+)?", name) else name


def written_of(op: Operation) -> str:
    """The op as a spec has it, on one line: `conv2d: {out_channels: 64, kernel_size: 7}`."""
    fields = fields_of(op)
    text = ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())
    return f"{op.op}: {{{text}}}" if fields else op.op


def detail_of(op: Operation) -> str:
    """The window and step of an op, or its main field, and its groups: `7×7 /2`, `3×3 groups 32`, `0.5`.

    The number of channels is left out: the shape of the output has it.
    """
    fields = fields_of(op)
    parts = _window(op, fields)
    if not parts and op.main in fields and op.main != op.channels_field():
        parts = [_plain(fields[op.main])]
    if fields.get("groups", 1) != 1 and op.main != "groups":
        parts.append(f"groups {fields['groups']}")
    return " ".join(parts)


def _window(op: Operation, fields: dict[str, Any]) -> list[str]:
    windowed = op.trait(Windowed)
    if windowed is not None:
        windows = windowed.windows(op)
        kernel, stride = [window.kernel for window in windows], [window.stride for window in windows]
        dilation = max(window.dilation for window in windows)
    elif "kernel_size" in fields:  # a transposed convolution, whose windows slide over its output
        kernel, stride, dilation = list(op.kernel_size), list(op.stride), 1  # type: ignore[attr-defined]
    else:
        return []
    step = f"/{stride[0]}" if len(set(stride)) == 1 else f"/{sizes_text(stride)}"
    return [sizes_text(kernel), *([step] if step != "/1" else []), *([f"dilation {dilation}"] if dilation > 1 else [])]


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return ", ".join(map(_plain, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def figure_text(value: float, measure: str) -> str:
    """A cost as text, nothing for none: `118.01 M`, `3.06 MiB`, `1.20 ms`."""
    if not value:
        return ""
    if measure in ("time", "measured"):
        return f"{figures_text(value)} ms"
    return count_text(round(value)) if measure in ("params", "macs") else bytes_text(round(value))
