"""A window that slides along one axis, as in convolution and pooling, and the error when it does not fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from archspec.diagnostics.hints import SetFields, lower_to, raise_to
from archspec.text import sizes_text
from archspec.types import UNKNOWN, ShapeError, TensorType


@dataclass(frozen=True, slots=True)
class Window:
    """The window's geometry on one axis (Dumoulin & Visin 2016, "A guide to convolution arithmetic").

    before, after: padding at the two ends. ceil: a last window may hang over the end (`ceil_mode`).
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0
    ceil: bool = False

    @property
    def span(self) -> int:
        """How many input positions the window reaches over, dilation included."""
        return self.dilation * (self.kernel - 1) + 1

    def positions(self, size: int) -> int:
        """At how many places the window stands on an axis of this size; below 1 where it does not fit."""
        slack = self.stride - 1 if self.ceil else 0
        count = (size + self.before + self.after - self.span + slack) // self.stride + 1
        if self.ceil and (count - 1) * self.stride >= size + self.before:
            count -= 1  # torch: the last window must start inside the input or the padding before it
        return count

    def least_padding(self, size: int) -> int:
        """The smallest padding, on both sides, not below the present one, with which it fits."""
        slack = self.stride - 1 if self.ceil else 0
        needed = -(-(self.span - slack - size) // 2)
        return needed if needed > self.before else self.before

    def largest_kernel(self, size: int) -> int:
        """The largest kernel, not above the present one, that fits with the present padding."""
        fitting = (size + self.before + self.after - 1) // self.dilation + 1
        return fitting if fitting < self.kernel else self.kernel


_LITTLE: Final = 16  # pixels of padding that nobody minds
Windows = tuple[Window, ...]  # one for each axis after the channels: length; height, width; depth, height, width


def slide(
    x: TensorType,
    channels: int,
    windows: Windows,
    limits: tuple[int, ...] | None = (),
    *,
    half_kernel: bool = False,
) -> TensorType:
    """The output (N, channels, H', W') of windows sliding over x (N, C, H, W), or over a volume (N, C, D, H, W).

    limits: the most padding that the op allows on each axis; None for any, () where it has no padding.
    half_kernel: the limit is half of the kernel, so that a smaller kernel allows less padding.
    Errors: SHAPE101 if a window does not fit, with a hint that makes it fit.
    """
    sizes = x.shape[2:]
    out = [window.positions(size) for window, size in zip(windows, sizes, strict=True)]
    if any(count < 1 for count in out):
        partial = TensorType((x.shape[0], channels, *(UNKNOWN if count < 1 else count for count in out)), x.dtype)
        hint = _remedy(sizes, windows, limits, half_kernel)
        raise ShapeError(_misfit(sizes, windows), hint=hint, field="kernel_size", code="SHAPE101", partial=partial)
    return TensorType((x.shape[0], channels, *out), x.dtype)


def _misfit(sizes: tuple[int, ...], windows: Windows) -> str:
    spans = sizes_text(w.span for w in windows)
    message = f"{spans} window does not fit a {sizes_text(sizes)} input"
    if len(sizes) == 1:
        message = f"window of {spans} does not fit an input of {sizes[0]}"
    if any(w.before or w.after for w in windows):
        padded = (size + window.before + window.after for size, window in zip(sizes, windows, strict=True))
        message += f" padded to {sizes_text(padded)}"
    return message


def _remedy(
    sizes: tuple[int, ...], windows: Windows, limits: tuple[int, ...] | None, half_kernel: bool
) -> str:
    """A little more padding where the op allows it, else a smaller kernel where it may be, else no dilation."""
    both = list(zip(sizes, windows, strict=True))
    padding = [window.least_padding(size) for size, window in both]
    much = any(p > _LITTLE and p > size and p > w.before for p, (size, w) in zip(padding, both, strict=True))
    allowed = limits is None or (bool(limits) and not any(p > limit for p, limit in zip(padding, limits, strict=True)))
    if (not much or half_kernel) and allowed:
        return raise_to("padding", pair_text(padding))
    kernel = [window.largest_kernel(size) for size, window in both]
    if not half_kernel or all(w.before <= k // 2 for k, w in zip(kernel, windows, strict=True)):
        return lower_to("kernel_size", pair_text(kernel))
    flat = [replace(window, dilation=1).least_padding(size) for size, window in both]
    padded = pair_text(flat)
    return SetFields(f"set dilation to 1 and padding to {padded}", dilation=1, padding=padded)


def pair_text(pair: list[int] | tuple[int, ...]) -> str:
    """A (height, width) pair as a spec writes it: one number where all are equal."""
    return str(pair[0]) if all(size == pair[0] for size in pair) else f"[{', '.join(map(str, pair))}]"
