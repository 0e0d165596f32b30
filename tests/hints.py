"""Doing what hints say: every fix is applied, and the mistake must be gone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import archspec
from archspec.diagnostics import Diagnostic, Fix
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
        key = _key(diagnostic)
        told = "\n".join(map(str, again))
        if Counter(map(_key, again))[key] >= Counter(map(_key, found))[key]:
            wrong.append(f"{diagnostic}\n--- is still told after its fix:\n{after}\n{told}")
        elif not any(d.code.startswith("SPEC00") for d in found) and sum(d.code not in EXPECTATIONS for d in again) > len(found):
            wrong.append(f"{diagnostic}\n--- breaks something else by its fix:\n{after}\n{told}")
    return wrong


def _key(diagnostic: Diagnostic) -> tuple[object, ...]:
    span = diagnostic.span  # a text without sense may have the same fault of syntax again, elsewhere
    place = (span.line, span.column) if diagnostic.code.startswith("SPEC00") and span else ()
    return diagnostic.code, diagnostic.message, *place


# Hints that are no edit of the text, or leave something to a person: a pattern of their words, and why.
WITHOUT_FIX = {
    r".*….*": "it shows the form; what stands for `…` only a person knows",
    r"(known|its (fields|vars|params)|it may name|functions|parameters): .*|`archspec list.* shows.*|it takes none": "a choice",
    r"(rename|choose|write) (another name|one of the two|a plain).*|choose another name.*|rename one of.*": "a name to invent",
    r"use .*|a spec cannot express it.*|leave it out|.* join branches|its activations.*|for patches.*|end with one output.*":
        "what the language lacks has no edit that gives the same",
    r"write an? (op or block|number|condition|shorter number|value).*|write (the name|one|it|what|a whole number).*|compare: .*":
        "a value to choose",
    r"for .* write .*|raise the limit with.*|allow its folder.*|move the file.*|put blocks.*|save what.*|begin with.*|split the file.*":
        "outside of the text",
    r"name (the|fewer|that|them).*|put (it|all|the text|the value|what).*|.*make it a stage of its own.*|`from` only.*|a block .*|"
    r"a layer without.*|move it.*|begin a list item.*|add a branch.*|to pass a list.*|break the circle.*|one of these.*":
        "a rearrangement",
    r"remove \d+|remove it there|remove it here.*|remove it, or .*|delete it(, or.*)?|write the (keys|value) out.*|add `.*":
        "more than one way",
    r"end .*|bring .*|give it .*|set dilation .*|make the last layer .*|it is called .*|a name that is close .*|write .*|"
    r"raise .*|lower .*|set .*|remove .*|put `flatten`.*|channels come first.*":
        "the place lies in a library's block, is not written, or is part of what is broken",
    r"indent .*|align it.*|close it.*|add the closing.*|close the .*|quote it: .*|this archspec reads .*|correct these first|`i` is not seen.*|delete the .*|pass it.*":
        "syntax that no single edit mends, or a value of several lines",
}


def reason(hint: str) -> str | None:
    """Why a hint has no fix; None if that is a hole in `WITHOUT_FIX`."""
    return next((why for pattern, why in WITHOUT_FIX.items() if re.fullmatch(pattern, hint, re.DOTALL)), None)


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
            holes = [d.hint for d in found if d.hint and d.fix is None and reason(d.hint) is None]
            assert not holes, f"neither a fix nor a reason in WITHOUT_FIX: {holes}"
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archspec, "check", checked)
        yield
