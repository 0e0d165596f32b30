"""The shipped specs, standard blocks and devices as plain entries, for lists and completion."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archspec.devices import Device
    from archspec.language.syntax import Block

Entry = dict[str, Any]


def specs() -> list[Entry]:
    """The shipped specs, in order: name, description, file, input, base, recipes, and text."""
    from archspec.language.shipped import shipped_specs
    from archspec.source import read

    entries = []
    for name, path in shipped_specs().items():
        data = read(path).data
        base = data.get("extends")
        entries.append({
            "name": name, "description": data.get("description") or f"A variant of {base}", "path": str(path),
            "input": data.get("input"), "extends": base, "recipes": list(data.get("recipes") or {}),
            "text": path.read_text(encoding="utf-8").rstrip("\n"),
        })
    return entries


def blocks() -> list[Entry]:
    """The standard blocks: name, description, parameters in order, and text."""
    from archspec.language.files import standard_library

    return [_block(block) for _, block in sorted(standard_library().blocks.items())]


def _block(block: Block) -> Entry:
    text, comment = block_source(block)
    params = [
        {"name": p.name, "required": p.required, "type": _type_text(p.type)}
        | ({} if p.required else {"default": p.default}) for p in block.params
    ]
    source = str(block.at.document.data.get("description", ""))
    return {"name": block.name, "description": comment or source, "source": source, "params": params, "text": text}


def devices() -> list[Entry]:
    """The shipped devices, in order: name, description, figures, sources, and the text of their file."""
    from archspec.devices.known import FOLDER, known_devices

    return [
        {"name": key, "description": _device_text(device), **device.to_json(),
         "text": (FOLDER / f"{key}.yaml").read_text(encoding="utf-8").rstrip("\n")}
        for key, device in known_devices().items()
    ]


def _device_text(device: Device) -> str:
    """Its name and limits: `NVIDIA L4: fp32 30.3, tf32 60 TFLOP/s; 300 GB/s; 24 GiB`."""
    peaks = ", ".join(f"{precision} {peak:g}" for precision, peak in device.peak_tflops.items())
    return f"{device.name}: {peaks} TFLOP/s; {device.bandwidth_gb_per_s:,g} GB/s; {device.memory_gib:g} GiB"


def block_source(block: Block) -> tuple[str, str]:
    """The lines that define a block, and the comment above them as text."""
    lines = block.at.document.lines
    span = block.at.span(key=True)
    assert span is not None, block.name
    start = end = span.line - 1
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    while end + 1 < len(lines) and (not lines[end + 1] or lines[end + 1].startswith(" " * span.column)):
        end += 1
    comment = " ".join(line.strip(" #") for line in lines[start : span.line - 1])
    return textwrap.dedent("\n".join(lines[span.line - 1 : end + 1])).rstrip("\n"), comment


def _type_text(kind: str | tuple[str, ...] | None) -> str:
    return kind if isinstance(kind, str) else "any" if kind is None else f"[{', '.join(kind)}]"
