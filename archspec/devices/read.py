"""Reads the description of a device, shipped or the user's own, and reports every mistake at its place."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any, Final

from archspec.devices.device import PRECISIONS, Device
from archspec.diagnostics import error, listing
from archspec.language.message_text import did_you_mean, short, value_text
from archspec.language.other_files import FileKind, FileReader
from archspec.language.problems import meant_value
from archspec.language.syntax import At, Errors
from archspec.source import BROKEN, DEFAULT_LIMITS, Document, Limits, parse, read

VERSION_KEY: Final = "archspec-device"
CODE: Final = "BUILD210"
_NUMBERS: Final = {  # field → the largest value that makes sense
    "bandwidth_gb_per_s": 1e6, "memory_gib": 1e6, "units": 1e6, "launch_us": 1e6,
}
_FIELDS: Final = (VERSION_KEY, "name", "aliases", "kind", "peak_tflops", *_NUMBERS, "sources")
_MAX_TFLOPS: Final = 1e6


def read_device(path: str | Path, limits: Limits = DEFAULT_LIMITS, *, shipped: bool = False) -> Device:
    """Read a device from a file. Raises SpecError with every mistake: SPEC0xx of the text, BUILD210 of the device."""
    document = read(path, limits)
    return device_of(document, Path(path).stem, None if shipped else str(path))


def device_text(text: str, name: str = "<text>") -> Device:
    """Read a device from a text. Raises SpecError as `read_device` does."""
    return device_of(parse(text, name), "device", name)


def device_of(document: Document, key: str, file: str | None) -> Device:
    """Read a device from a document. key: its name in archspec. Raises SpecError."""
    data = document.data
    if isinstance(data, dict) and VERSION_KEY not in data and "archspec" in data:
        raise error(
            CODE, "this is a spec, not a device", span=(At(document) / "archspec").key.span(),
            hint=f"a device's file begins with `{VERSION_KEY}: 1`; `archspec list devices NAME` prints an example",
        )
    errors = Errors(document.errors)
    reader = _Reader(_KIND, document, errors)
    device = reader.device(key, file)
    errors.raise_any()
    return device


_KIND: Final = FileKind("device", VERSION_KEY, _FIELDS, CODE)


class _Reader(FileReader):
    """Reads one device."""

    def device(self, key: str, file: str | None) -> Device:
        """The device; its values mean nothing if there are errors."""
        self.check_keys()
        missing = [f for f in _FIELDS if f not in self.data and f not in ("aliases", "sources")] if self.data else []
        if missing:
            self.fail(f"a device needs {listing([f'`{name}`' for name in missing], 20)}", self.top,
                      hint="`archspec list devices rtx3090` prints a complete example")
        kind = self.data.get("kind")
        if kind not in ("cpu", "gpu") and kind is not BROKEN and "kind" in self.data:
            self.fail(f"`kind` must be `cpu` or `gpu`, got {value_text(kind)}", self.top / "kind")
        numbers = {name: self._number(self.data.get(name), self.top / name, most) for name, most in _NUMBERS.items()}
        if numbers["units"] != int(numbers["units"]):
            self.fail(f"`units` must be a whole number, got {value_text(self.data['units'])}", self.top / "units")
        return Device(
            key, self.text("name", "?"), "cpu" if kind == "cpu" else "gpu", self._peaks(),
            numbers["bandwidth_gb_per_s"], numbers["memory_gib"], int(numbers["units"]), numbers["launch_us"],
            self._texts("sources"), self._texts("aliases"), file,
        )

    def _texts(self, key: str) -> tuple[str, ...]:
        raw = self.data.get(key, [])
        if raw is BROKEN:
            return ()
        if not isinstance(raw, list):
            self.fail(f"`{key}` must be a list of texts, got {value_text(raw)}", self.top / key)
            return ()
        for k, item in enumerate(raw):
            if not isinstance(item, str) and item is not BROKEN:
                self.fail(f"`{key}` must be a list of texts, got {value_text(item)} in it", self.top / key / k)
        return tuple(item for item in raw if isinstance(item, str))

    def _number(self, value: Any, at: At, most: float) -> float:
        """A positive number up to `most`; 1 after a mistake, or where it is missing, which `device` reports."""
        right = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
        if right and 0 < value <= most:
            return float(value)
        if value is not None and value is not BROKEN:
            self.fail(f"`{at.path[-1]}` must be a number above 0 and at most {most:,.0f}, got {value_text(value)}", at,
                      hint=meant_value("float", value))
        elif value is None and at.path[0] in self.data:
            self.fail(f"`{at.path[-1]}` has no value", at)
        return 1

    def _peaks(self) -> dict[str, float]:
        raw, at = self.data.get("peak_tflops"), self.top / "peak_tflops"
        if raw is BROKEN or "peak_tflops" not in self.data:
            return {}
        if not isinstance(raw, dict):
            self.fail(f"`peak_tflops` must be a mapping of precisions to numbers, got {value_text(raw)}", at,
                      hint="write `peak_tflops: {fp32: 12.7, bf16: 25.5}`")
            return {}
        for key in raw:
            if key not in PRECISIONS:
                self.fail(f"`{short(key)}` is not a precision", at / key, key=True,
                          hint=did_you_mean(key, PRECISIONS) or f"the precisions: {listing(PRECISIONS)}")
        if "fp32" not in raw:
            self.fail("`peak_tflops` needs `fp32`", at, hint="every device computes in fp32")
        return {key: self._number(raw[key], at / key, _MAX_TFLOPS) for key in PRECISIONS if key in raw}
