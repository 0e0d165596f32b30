"""Figures of two networks as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archspec.text import bytes_text, count_text

if TYPE_CHECKING:
    from archspec.difference.figures import FigureChange, Number

TITLES: Final = {  # the figures that a text shows, in order; `--json` and `--fail-if` have all
    "params": "parameters", "macs": "MACs", "backward_macs": "backward MACs", "training_macs": "MACs in training",
    "elementwise_flops": "element-wise FLOPs", "activation_bytes": "activations",
    "training_activation_bytes": "activations in training", "saved_bytes": "saved for backward",
    "inference_peak_bytes": "inference peak", "training_peak_bytes": "training peak",
    "workspace_bytes": "library workspaces",
    "predicted_forward_ms": "predicted forward", "predicted_step_ms": "predicted step",
}
_LIKE: Final = {"training_macs": "macs", "training_activation_bytes": "activation_bytes"}  # shown only if different
MINUS: Final = "−"


def shown(figures: tuple[FigureChange, ...]) -> list[FigureChange]:
    """The figures for a text: those with a title that are not 0, and not twice the same."""
    known = {figure.name: figure for figure in figures}
    found = []
    for figure in figures:
        like = known.get(_LIKE.get(figure.name, ""))
        same = like is not None and (figure.before, figure.after) == (like.before, like.after)
        if figure.name in TITLES and (figure.before or figure.after) and not same:
            found.append(figure)
    return found


def number_text(name: str, value: Number | None, *, sign: bool = False) -> str:
    """A figure with its unit: `46.76 M`, `5.11 MiB`, `3.2 ms`. sign: with its sign, for a change."""
    if value is None:
        return "–"
    mark = "" if not sign or not value else MINUS if value < 0 else "+"
    size = abs(value)
    if name.endswith("_bytes"):
        return mark + bytes_text(round(size))
    if name.endswith("_ms"):
        return f"{mark}{size:,.3g} ms" if size < 1000 else f"{mark}{size:,.0f} ms"
    return mark + (f"{size:.4g}" if size < 1000 and not float(size).is_integer() else count_text(round(size)))


def ratio_text(figure: FigureChange) -> str:
    """`1.44 ×`, or `=` where nothing changes; empty if there is no ratio."""
    if figure.before == figure.after:
        return "="
    ratio = figure.ratio
    if ratio is None:
        return ""
    if not ratio:
        return "0 ×"
    for digits in (2, 3, 4):
        text = f"{ratio:.{digits}f}"
        if float(text) not in (0, 1):
            return f"{text} ×"
    return "≈ 1 ×" if ratio > 0.5 else "≈ 0 ×"
