"""Write what comes from the code: pages on ops, recipe and diagnostics, the JSON Schema, a picture, the ops' types.

python docs/generate.py           write
python docs/generate.py --check   say what is out of date; exit code 1 if anything is
"""

from __future__ import annotations

import importlib
import inspect
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from rich.console import Console

from archspec.api import load
from archspec.diagnostics.codes import CODES
from archspec.difference import diff
from archspec.language.extras import Augment, EarlyStopping, TableOfTargets
from archspec.language.finetuning import Initialisation
from archspec.language.loss import LOSSES
from archspec.language.recipe import Normalisation, Recipe
from archspec.language.schedule import SCHEDULES, WarmupLength
from archspec.language.schema import json_schema
from archspec.language.section import Section, field_names
from archspec.ops import OPS, Merge, Operation
from archspec.show.draw import network_svg
from archspec.sweep.schema import sweep_schema
from archspec.text import count_text

FOLDER = Path(__file__).parent
BENCHMARKS = FOLDER.parent / "benchmarks"
NOTE = "<!-- written by docs/generate.py from the code: edit that -->"


def ops_page() -> str:
    """All ops: what they do, their fields, shape and cost rules."""
    lines = [NOTE, "# Ops", ""]
    lines += [
        "Names are those of `torch.nn.functional`, fields those of `torch.nn`. A field in **bold** is the main one: a",
        "plain value sets it (`linear: 10`). `in_channels` and `in_features` are never written. Where a field takes a",
        "number for each axis, such as [height, width], one number stands for all.",
        "",
    ]
    groups: dict[str, list[type[Operation]]] = {}
    for op in OPS.values():
        groups.setdefault(op.__module__.rsplit(".", 1)[1], []).append(op)
    for group, members in groups.items():
        lines += [f"## {group}", ""]
        for op in members:
            lines += list(_op(op))
    return "\n".join(lines).rstrip() + "\n"


def _op(op: type[Operation]) -> Iterator[str]:
    merge = " (joins named branches)" if issubclass(op, Merge) else ""
    yield f"### `{op.op}`{merge}"
    yield ""
    doc = op.documentation()
    summary, _, rest = doc.partition("\n")
    yield summary
    yield ""
    if rest.strip():
        yield "```text"
        yield rest.strip()
        yield "```"
        yield ""
    if op.model_fields:
        yield "| field | default | meaning |"
        yield "|---|---|---|"
        for name, field in op.model_fields.items():
            shown = f"**`{name}`**" if name == op.main else f"`{name}`"
            default = "required" if field.is_required() else f"`{_plain(field.default)}`"
            yield f"| {shown} | {default} | {field.description or ''} |"
        yield ""


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return _plain(value[0]) if len(set(value)) == 1 else json.dumps(value)
    return json.dumps(value)


def diagnostics_page() -> str:
    """All diagnostic codes with their examples."""
    lines = [NOTE, "# Diagnostics", "", "`archspec explain CODE` shows one of these in the terminal.", ""]
    for code, about in sorted(CODES.items()):
        lines += [f"## {code}: {about.title}", "", about.meaning, ""]
        for label, example in (("Wrong", about.wrong), ("Right", about.right)):
            lines += [f"{label}:", "", f"```{example.kind}", example.text.rstrip(), "```", ""]
            for name, text in example.files.items():
                lines += [f"with `{name}`:", "", "```yaml", text.rstrip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def recipe_page() -> str:
    """Every field of a recipe: its values, default and meaning."""
    lines = [NOTE, "# Recipe", "", inspect.cleandoc(Recipe.__doc__ or ""), ""]
    lines += ["[training.md](training.md#recipe) shows them at work.", ""]
    lines += list(_fields(Recipe))
    for name, model in SECTIONS.items():
        lines += [f"## `{name}`", "", inspect.cleandoc(model.__doc__ or ""), "", *_fields(model)]
    lines += ["## `schedule`", ""]
    for name, model in SCHEDULES.items():
        lines += [f"### `{name}`", "", inspect.cleandoc(model.__doc__ or ""), ""]
        if len(model.model_fields) > 1:
            lines += list(_fields(model))
    lines += ["## `loss`", "", *LOSS_FORMS]
    for name, loss in LOSSES.items():
        lines += [f"### `{name}`", "", inspect.cleandoc(loss.__doc__ or ""), "", *_fields(loss)]
    return "\n".join(lines).rstrip() + "\n"


LOSS_FORMS = [
    "A loss is a name (`loss: mse`) or a name with fields (`loss: {cross_entropy: {class_weights: balanced}}`). With",
    "several outputs `loss` maps each output to its loss: `loss: {head: cross_entropy, aux: {cross_entropy: {weight: 0.3}}}`.",  # noqa: E501
    "Training minimises the sum, and the first output's metrics decide. Evaluation uses no smoothing and no class",
    "weights.",
    "",
]
SECTIONS: dict[str, type[Section]] = {
    "data": TableOfTargets, "init": Initialisation, "normalize": Normalisation, "warmup": WarmupLength,
    "augment": Augment, "early_stopping": EarlyStopping,
}


def _fields(model: type[Section]) -> Iterator[str]:
    properties = model.model_json_schema()["properties"]
    yield "| field | values | default | meaning |"
    yield "|---|---|---|---|"
    fields = [field for name, field in model.model_fields.items() if name != "kind"]
    for name, field in zip(field_names(model), fields, strict=True):
        yield f"| `{name}` | {_values(properties[name])} | {_default(name, field)} | {field.description or ''} |"
    yield ""


def _default(name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, (Section, dict)):
        value = PLAIN_DEFAULTS[name]
    return "–" if value is None else f"`{json.dumps(value).strip(chr(34))}`"


PLAIN_DEFAULTS = {  # as a person writes what the models hold
    "loss": "cross_entropy", "schedule": "constant", "warmup": 0, "init": "default",
}


def _values(schema: dict[str, Any]) -> str:
    """The values that a field takes, in words; sections have a table of their own."""
    choices = [choice for choice in schema.get("anyOf", [schema]) if choice.get("type") != "null"]
    types = {choice.get("type") for choice in choices}
    if types in ({"number", "array"}, {"string", "array"}):
        return "number, or list" if "number" in types else "name, or list"
    if len(choices) > 1 or "$ref" in choices[0] or choices[0].get("type") in ("array", "object"):
        return "see below" if len(choices) > 1 or "$ref" in choices[0] else {"array": "list"}.get(*types, "mapping")
    (choice,) = choices
    if "enum" in choice:
        return ", ".join(f"`{value}`" for value in choice["enum"])
    if choice["type"] not in ("integer", "number"):
        return {"boolean": "`true`, `false`", "string": "text"}[choice["type"]]
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {choice[key]:g}" for key, sign in signs.items() if key in choice and choice[key] < 2**62]
    return " ".join([choice["type"], ", ".join(bounds)]).strip()


def profile_picture() -> str:
    """`archspec profile resnet18 --static`, as a terminal shows it."""
    console = Console(record=True, width=84, file=io.StringIO(), force_terminal=True, color_system="truecolor",
                      highlight=False)
    loaded = load("resnet18")
    loaded.show(console)
    return console.export_svg(title="archspec profile resnet18 --static", unique_id="profile")


def network_pictures() -> dict[str, str]:
    """A diagram of each network of the sources, and the page that lists them."""
    found, rows = {}, []
    for path in sorted((FOLDER.parent / "specs").glob("*.yaml")):
        loaded = load(path)
        name, report = loaded.name, loaded.report
        found[f"networks/{name}.svg"] = network_svg(loaded.graph, report, description=loaded.description)
        picture = f'<a href="networks/{name}.svg"><img src="networks/{name}.svg" alt="{name}" height="220"></a>'
        figures = f"{count_text(report.params)} parameters, {count_text(report.macs)} MACs"
        rows.append(f"| {picture} | **`{name}`**: {loaded.description}<br>{figures} |")
    lines = [
        NOTE, "# Networks", "",
        "The networks of the sources, drawn with `archspec show NAME`; [show.md](show.md) explains the diagrams.", "",
        "| diagram | network |", "|---|---|", *rows,
    ]
    return {"networks.md": "\n".join(lines) + "\n", **found}


STUB = '''\
"""What type checkers and editors see of `archspec.ops`. Written by docs/generate.py from the ops: edit those."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from archspec.ops.base import OP_DOOR as OP_DOOR
from archspec.ops.base import OPS as OPS
from archspec.ops.base import Merge as Merge
from archspec.ops.base import Op as Op
from archspec.ops.base import Operation as Operation
from archspec.ops.base import cost_of as cost_of
from archspec.ops.base import infer_outputs as infer_outputs
from archspec.ops.base import register_op as register_op
'''
STUB_END = '''
def identity() -> Operation: ...
def make_op(name: str, fields: dict[str, Any]) -> Operation: ...
'''


def ops_stub() -> str:
    """Every op's class with a constructor that takes what a person writes, such as one number for a pair."""
    ops = sorted(OPS.values(), key=lambda op: (op.__module__, op.__name__))
    imports = [f"from {op.__module__} import {op.__name__} as _{op.__name__}" for op in ops]
    classes = []
    for op in ops:
        properties = op.model_json_schema()["properties"]
        fields = [f"        {name}: {_type(properties[name])}{'' if field.is_required() else ' = ...'},\n"
                  for name, field in op.model_fields.items()]
        taken = f"\n        self, *,\n{''.join(fields)}    " if fields else "self"
        about = [op.documentation().partition("\n")[0], *([""] if fields else [])]
        about += [f"    {name}: {field.description}" for name, field in op.model_fields.items()]
        end = "\n    " if fields else ""
        doc = "\n".join(about)
        classes.append(f'class {op.__name__}(_{op.__name__}):\n    """{doc}{end}"""\n\n'
                       f"    def __init__({taken}) -> None: ...\n")
    return STUB + "\n".join(imports) + "\n" + STUB_END + "\n" + "\n".join(classes)


def _type(schema: dict[str, Any]) -> str:
    """The Python type of what a JSON Schema takes."""
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(choice) for choice in schema["anyOf"]))
    if "enum" in schema:
        return f"Literal[{', '.join(json.dumps(value) for value in schema['enum'])}]"
    if schema["type"] == "array":
        return f"Sequence[{_type(schema['items'])}]"
    return {"integer": "int", "number": "float", "boolean": "bool", "string": "str", "null": "None",
            "object": "Mapping[str, Any]"}[schema["type"]]


def reproduction_page() -> str:
    """The sources' runs beside ours, from the results that are kept in the repository."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return str(importlib.import_module("page").page())
    finally:
        sys.path.remove(str(BENCHMARKS))


def diff_page() -> str:
    """The page on `archspec diff`, whose first example shows what is printed."""
    text = (FOLDER / "diff.md").read_text(encoding="utf-8")
    start, _, rest = text.partition("$ archspec diff alexnet alexnet_simplified\n")
    end = rest[rest.index("```"):]
    return f"{start}$ archspec diff alexnet alexnet_simplified\n{diff('alexnet', 'alexnet_simplified')}\n{end}"


@contextmanager
def uncalibrated() -> Iterator[None]:
    """No predicted times of the machine at hand, which `archspec calibrate` would add."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(FOLDER / "no-cache")
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before


def pages() -> dict[str, str]:
    """File name → content."""
    with uncalibrated():
        return _pages()


def _pages() -> dict[str, str]:
    return {
        "ops.md": ops_page(),
        "diagnostics.md": diagnostics_page(),
        "diff.md": diff_page(),
        "recipe.md": recipe_page(),
        "reproduction.md": reproduction_page(),
        "profile.svg": profile_picture(),
        **network_pictures(),
        "../archspec/ops/__init__.pyi": ops_stub(),
        "archspec.schema.json": json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n",
        "archspec-sweep.schema.json": json.dumps(sweep_schema(), indent=1, ensure_ascii=False) + "\n",
    }


def main() -> int:
    """Write or check all pages."""
    stale = [name for name, text in pages().items()
             if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/{name} is out of date: run python docs/generate.py", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (FOLDER / name).write_text(pages()[name], encoding="utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
