"""Which files are archspec's, judged by the keys at their top: the one answer for folders and for pytest.

The keys are found by the parser that reads specs: what it accepts is collected, however it is written.
"""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Final

from archspec.source import DEFAULT_LIMITS, Limits
from archspec.source.load import read_content
from archspec.source.top_keys import text_of, top_keys

SUFFIXES: Final = (".yaml", ".yml")
VERSION_KEY: Final = "archspec"
SWEEP_KEY: Final = "archspec-sweep"  # the version key of a sweep file
_OF_NETWORK: Final = ("stages", "extends", "input", "expect", "train", "recipes")
_TELLING: Final = ("stages", "extends", "input", "blocks")  # keys that confirm a misspelt `archspec`
_NEAR: Final = 0.8  # `architecture`, `archive` and `spec` are further away
_WORTH_READING: Final = (VERSION_KEY, "\\", *_TELLING)  # `\`: an escaped key
_FIRST: Final = re.compile(r"(?:[ \t]*+(?:#[^\r\n]*|---[^\r\n]*)?[\r\n])*+([ \t]*)(\S)")


class Kind(Enum):
    """What a YAML file is. MISSPELT: a spec or library whose key `archspec` has a typing error."""

    NETWORK = "network"
    LIBRARY = "library"
    MISSPELT = "misspelt"
    SWEEP = "sweep"
    OTHER = "other"


def has_suffix(name: str) -> bool:
    """Whether a file's name ends as that of a spec, in upper or lower case."""
    return name.lower().endswith(SUFFIXES)


def is_record(path: Path) -> bool:
    """Whether a file is the record of a training run, which lies beside its `environment.json`."""
    return path.name == "spec.yaml" and path.with_name("environment.json").exists()


def kind_of(path: Path, limits: Limits = DEFAULT_LIMITS) -> Kind:
    """What a file is. Reads regular files only, and no more than a spec may have; raises OSError."""
    return kind_of_content(read_content(path, limits.max_bytes), limits)


def kind_of_content(content: bytes, limits: Limits = DEFAULT_LIMITS) -> Kind:
    """What a file with these bytes is."""
    text = text_of(content)
    worth_reading = any(word in text for word in _WORTH_READING)
    keys: dict[str, str | None] = {}
    try:
        for key, value in top_keys(text, limits.max_events):
            keys[key.partition(":")[0]] = value  # `{archspec:1}`: the parser reports the missing space
            if SWEEP_KEY in keys:
                return Kind.SWEEP
            if VERSION_KEY in keys and not keys.keys().isdisjoint(_OF_NETWORK):
                return Kind.NETWORK
            if not worth_reading and not _is_misspelt(keys):
                return Kind.OTHER
    except ValueError:
        if VERSION_KEY not in keys:  # broken, so that nobody knows what else it has
            for key, kind in ((SWEEP_KEY, Kind.SWEEP), (VERSION_KEY, Kind.NETWORK)):
                if _has_version_line(text, key):
                    return kind
    if VERSION_KEY in keys:
        return Kind.LIBRARY if "blocks" in keys else Kind.NETWORK
    return Kind.MISSPELT if _is_misspelt(keys) else Kind.OTHER


def _is_misspelt(keys: dict[str, str | None]) -> bool:
    confirmed = not keys.keys().isdisjoint(_TELLING)
    return any(_is_near(key) and (confirmed or value == "1") for key, value in keys.items())


def _is_near(key: str) -> bool:
    from difflib import SequenceMatcher  # few files need it

    plain = re.sub(r"[\W_]", "", key[:40].lower())
    return SequenceMatcher(None, plain, VERSION_KEY).ratio() >= _NEAR


def _has_version_line(text: str, key: str) -> bool:
    """Whether a text that cannot be parsed has a key at its top: as far left as its first line, or within `{…}`."""
    first = _FIRST.match(text)
    if first is None:
        return False
    before = r"[{,\s]" if first[2] == "{" else rf"(?:^|[\r\n]){first[1]}(?:\?\s*)?"
    return re.search(rf"""{before}["']?{key}["']?\s*:""", text) is not None
