"""The devices that archspec knows, by name and alias, and the user's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from archspec.devices.device import Device
from archspec.devices.read import read_device
from archspec.diagnostics import error, listing, nearest
from archspec.diagnostics.wording import Similar
from archspec.language.detect import has_suffix

FOLDER: Final = Path(__file__).parent
_VARIANTS: Final = "ti|super|laptop|max|mobile|with"  # after a name, they name another GPU
_READ: Final = 80  # characters of an unknown name
_LETTERS: Final = 3  # of a word that tells which device is meant
_RIVALS: Final = 6  # devices that are proposed for an unknown name


@cache
def known_devices() -> dict[str, Device]:
    """The shipped devices by name, in order."""
    return {path.stem: read_device(path, shipped=True) for path in sorted(FOLDER.glob("*.yaml"))}


def find_device(name: str) -> Device:
    """The device with this name or alias, in any case (`RTX 3090`, `rtx3090`), or the one that a file describes.

    Raises SpecError: BUILD211 if there is none; BUILD210 and SPEC0xx for the mistakes of a file.
    """
    if has_suffix(name) or "/" in name:
        return read_device(name)
    if re.fullmatch(r"[\w-]{1,40}", name) and (FOLDER / f"{name}.yaml").is_file():
        return read_device(FOLDER / f"{name}.yaml", shipped=True)  # without reading the others
    if (device := named_devices().get(plain(name))) is not None:
        return device
    close = similar_device(name)
    raise error(
        "BUILD211", f"there is no device `{name[:80]}`",
        hint=close.words("") if close else f"the devices: {listing(known_devices(), 30)}; or the path of a file that "
                                            "describes one, with the suffix .yaml",
    )


def named_devices() -> dict[str, Device]:
    """The shipped devices by all their names, as `plain` writes them."""
    return {plain(word): device for device in known_devices().values() for word in _words(device)}


def similar_device(name: str) -> Similar | None:
    """The device with the most similar name, with its rivals.

    First come those of which a word begins with the name (`xeon`), then those that it names with more words (`h100
    pcie`), then similar names, where those that begin with the same letters come first, and then those with a word in
    common. A word that is common to many devices tells nothing.
    """
    every, words = named_devices(), re.findall("[a-z0-9]+", name.lower()[:_READ])
    words = [word for word in words if len(_beginning_with([word])) <= _RIVALS]
    wanted = "".join(words)
    family = [word for word in every if _family(word) == _family(wanted)]
    close = nearest(wanted, family) or nearest(wanted, every)
    for found in (
        _beginning_with([wanted]),
        [every[word].key for word in words if word in every],
        [every[word].key for word in close.rivals or (close,)] if close else [],
        _beginning_with(words),
    ):
        if 0 < len(keys := dict.fromkeys(found)) <= _RIVALS:
            return Similar(keys, wanted)
    return None


def _beginning_with(starts: Iterable[str]) -> list[str]:
    """The keys of the devices one of whose words begins with one of these, if that is long enough to mean something."""
    known = tuple(start for start in starts if len(start) >= _LETTERS)
    return [
        device.key for device in known_devices().values()
        if any(word.startswith(known) for name in _words(device) for word in (plain(name), *name.lower().split()))
    ]


def _family(word: str) -> str:
    """The letters that a name begins with: `rtx`."""
    return re.split("[^a-z]", word, maxsplit=1)[0]


def sheet_of(gpu: str) -> Device | None:
    """The shipped device that a driver calls `gpu` (`NVIDIA A100-SXM4-80GB`), or None; a variant is another device."""
    for key, device in known_devices().items():
        words = r"[\W_]*".join(re.findall("[a-z]+|[0-9]+", key))
        if device.kind == "gpu" and re.search(rf"\b{words}\b(?![\W_]*(?:{_VARIANTS}))", gpu.lower()):
            return device
    return None


def plain(name: str) -> str:
    """A name without case, spaces and signs, in which names are compared."""
    return re.sub(r"[\W_]", "", name.lower())


def _words(device: Device) -> tuple[str, ...]:
    """The names of a device: its key, its aliases, its full name with and without its maker."""
    return device.key, *device.aliases, device.name, device.name.partition(" ")[2]
