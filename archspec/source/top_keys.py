"""Finds the top-level keys of a YAML text as the parser does, without building its data."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import yaml
from yaml import events as ev

from archspec.source.load import events_of

# allowed before the first content: empty lines, comments, directives (which `parse` reports and ignores)
_HEAD: Final = re.compile(r"(?:(?:[ \t]*+(?:#[^\r\n]*)?|%[^\r\n]*)[\r\n])*+")


def text_of(content: bytes) -> str:
    """The text of a file's bytes. Invalid UTF-8, which `parse` refuses, is replaced; UTF-16 is read."""
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    text = content.decode(encoding, errors="replace")
    head = _HEAD.match(text)
    end = head.end() if head else 0
    return text[:end].replace("%", "#") + text[end:]


def top_keys(text: str, max_events: int) -> Iterator[tuple[str, str | None]]:
    """Yield (key, its value if that is a scalar) of the top-level mapping.

    Lazy: a caller that needs only the first key reads only that far. Raises ValueError where reading fails.
    """
    try:
        yield from _pairs(islice(events_of(text), max_events))
    except (yaml.YAMLError, OverflowError) as problem:
        raise ValueError(str(problem)) from problem


def _pairs(events: Iterator[Any]) -> Iterator[tuple[str, str | None]]:
    depth = 0
    key: str | None = None
    at_key = True
    for event in events:
        opens = isinstance(event, ev.CollectionStartEvent)
        if isinstance(event, ev.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, ev.DocumentEndEvent):
            return
        elif not isinstance(event, ev.NodeEvent):
            continue
        elif depth == 0 and isinstance(event, ev.SequenceStartEvent):
            return
        elif depth == 1:
            text = event.value if isinstance(event, ev.ScalarEvent) else None
            if at_key:
                key = text
            elif key is not None:
                yield key, text
            at_key = not at_key
        depth += opens
        if depth == 0 and isinstance(event, ev.CollectionEndEvent):
            return
