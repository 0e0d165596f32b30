"""Doing what hints say: every fix is applied, and the mistake must be gone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

import archspec
from archspec.cli.block_calls import calls_of_blocks
from archspec.diagnostics import Diagnostic, Fix, Hint
from archspec.diagnostics.edits import edited

EXPECTATIONS = ("SHAPE110", "SHAPE111")
LONG = 20_000  # characters of a text that is not worth the time


def applied(text: str, fix: Fix) -> str:
    """The text after the edits of a fix."""
    return edited(text, fix.edits)


def text_of(source: Any) -> str | None:
    """The text that the places of a spec's diagnostics belong to; None for data, and for specs of several files."""
    if isinstance(source, str) and "\n" in source:
        return source
    return None


def failures(
    check: Callable[..., Iterable[Diagnostic]], source: Any, found: Iterable[Diagnostic], options: dict[str, Any]
) -> list[str]:
    """What is wrong with the fixes of these diagnostics: a sentence each."""
    text = text_of(source)
    wrong: list[str] = []
    found = list(found)
    for diagnostic in found if text is not None else ():
        fix = diagnostic.fix
        if fix is None or any(e.span.path != "<text>" for e in fix.edits):
            continue
        after = applied(text or "", fix)
        again = list(check(after, **options))
        gone = (text or "").count("\n") - after.count("\n"), min(e.span.line for e in fix.edits)
        before, left = Counter(map(_key, found)), Counter(_key(d, *gone) for d in again)
        harm = ""
        if left[_key(diagnostic)] >= before[_key(diagnostic)]:
            harm = "is still told after"
        elif not any(d.code.startswith("SPEC00") for d in found):
            new = [d for d in again if _key(d, *gone) in left - before and d.code not in EXPECTATIONS]
            harm = _harm(diagnostic, text or "", new, after, len(found) - sum(d.code not in EXPECTATIONS for d in again))
        if harm:
            wrong.append("\n".join((f"{diagnostic}\n--- {harm} its fix:\n{after}", *map(str, again))))
    return wrong


def _harm(fixed: Diagnostic, text: str, new: list[Diagnostic], after: str, fewer: int) -> str:
    """What a fix breaks: the syntax, the shapes of earlier layers, or more than it mends.

    Shapes that a wrong value left unknown could not be seen before: those of its layer and the later ones. new: the mistakes
    that were not found before, beside those of expectations. fewer: by how many they are fewer.
    """
    if any(d.code.startswith("SPEC00") for d in new):
        return "breaks the syntax by"
    shapes = [d for d in new if d.code.startswith("SHAPE")]
    if shapes and min(_layer(d, after) for d in shapes) < _layer(fixed, text) and not _for_one_call(fixed, text):
        return "breaks an earlier layer by"
    hidden = len(shapes) if fixed.code == "SPEC012" else 0
    return "breaks something else by" if fewer + hidden < 0 else ""


def _for_one_call(diagnostic: Diagnostic, text: str) -> bool:
    """Whether a fix is inside a block for the shapes of one call, and others get it too: `validate --fix` leaves it to people."""
    calls, fix = calls_of_blocks(text), diagnostic.fix
    return diagnostic.code.startswith("SHAPE") and fix is not None and any(calls.shared(e.span.line) for e in fix.edits)


def _layer(diagnostic: Diagnostic, text: str) -> int:
    """The number of the layer with a mistake, or that calls the block with it; 0 for a place outside of `stages`."""
    calls = (label.span for label in diagnostic.related if re.search("is called here|used as", label.text))
    places = [(span.line, span.column) for span in (diagnostic.span, *calls) if span is not None and span.path == "<text>"]
    starts = _starts(text)
    numbers = [next(number for start, number, _ in reversed(starts) if start <= place) for place in places]
    stage = re.match(r"stages\.(\w+)", diagnostic.message)  # where blocks call blocks, the places are in these
    numbers += [number for _, number, name in starts if stage and name == stage[1]]
    return next(filter(None, numbers), 0)


def _starts(text: str) -> list[tuple[tuple[int, int], int, str]]:
    """Where the layers begin, in order, with their numbers, and the names of stages; what is within a layer is a part of it.

    The key of a stage belongs to the stage's last layer, and what follows the stages to none.
    """
    found = [((0, 0), 0, "")]
    root, number = yaml.compose(text, Loader=yaml.SafeLoader), 0
    for key, stages in root.value if isinstance(root, yaml.MappingNode) else ():
        found.append((_place(key), 0, ""))
        for name, body in stages.value if key.value == "stages" and isinstance(stages, yaml.MappingNode) else ():
            layers = body.value if isinstance(body, yaml.SequenceNode) else [body]
            found.append((_place(name), number + len(layers), name.value))
            found += [(_place(layer), number + k, "") for k, layer in enumerate(layers, start=1)]
            number += len(layers)
    return sorted(found)


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _key(diagnostic: Diagnostic, gone: int = 0, first: int = 0) -> tuple[object, ...]:
    """What two reports of one mistake have in common. gone: how many lines were removed at line `first`."""
    span = diagnostic.span  # a text without sense may have the same fault of syntax again, elsewhere
    line = 0 if span is None else span.line + gone * (span.line >= first)
    place = (line, span.column) if diagnostic.code.startswith("SPEC00") and span else ()
    return diagnostic.code, diagnostic.message, *place


def lost(found: Iterable[Diagnostic], text: str = "") -> list[Diagnostic]:
    """Those whose hint names an edit that could not be made data, without a reason that lies in the text.

    The reasons: there is no text; the place, or the one it speaks of, is in a library; it takes several lines; or the
    value is an expression, such as a block's parameter.
    """
    return [d for d in found if isinstance(d.hint, Hint) and d.fix is None and not _out_of_reach(d, text)]


def _out_of_reach(diagnostic: Diagnostic, text: str) -> bool:
    spans = [s for s in (diagnostic.span, *(label.span for label in diagnostic.related)) if s is not None]
    field = re.match(r"(?:raise|lower|set) (\w+) to", str(diagnostic.hint))
    if (field and re.search(rf"\b{field[1]}: *\$", text)) or any(s.text[s.column - 1] == "$" for s in spans if s.column <= len(s.text)):
        return True
    several_lines = any(s.text.rstrip().endswith(("{", "[", ":")) for s in spans)  # in flow or in block style
    return diagnostic.span is None or several_lines or len({s.path for s in spans}) > 1


@contextmanager
def following() -> Iterator[None]:
    """While this lasts, every `archspec.check` of a text also does what its hints say."""
    check = archspec.check
    looked_at: set[str] = set()

    def checked(source: Any, **options: Any) -> tuple[Diagnostic, ...]:
        found = check(source, **options)
        text = text_of(source)
        if text is not None and len(text) < LONG and text not in looked_at and not options:
            looked_at.add(text)
            assert not (wrong := failures(check, source, found, options)), "\n".join(wrong)
            assert not (holes := lost(found, text)), "\n".join(map(str, holes))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archspec, "check", checked)
        yield
