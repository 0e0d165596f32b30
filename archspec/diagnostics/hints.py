"""Hints that describe an edit, with the edit as data, so that a program can apply it.

A rule that does not know the text gives a `Remedy` for its layer; the code that knows the layer's place makes a `Hint`
of it.
"""

from __future__ import annotations

from archspec.diagnostics.model import Hint
from archspec.diagnostics.wording import Similar


def near(name: str) -> str:
    """The hint for a misspelt name. Where several are equally similar it lists them, and is not an edit."""
    if not isinstance(name, Similar):
        return Hint(f"a similar name exists: `{name}`", name, safe=True)
    return name.words() if name.rivals else Hint(name.words(), str(name), safe=name.sure)


def write_near(name: str, prefix: str = "") -> str:
    """The hint to write a similar name, after a prefix. Where several are equally similar it lists them."""
    if isinstance(name, Similar) and name.rivals:
        return name.words()
    return write(prefix + name, safe=not isinstance(name, Similar) or name.sure)


def called(name: str) -> Hint:
    """The hint for another name of the same thing."""
    return Hint(f"it is called `{name}` here", name, safe=True)


def write(text: str, *, safe: bool = False) -> Hint:
    """The hint to write this text instead."""
    return Hint(f"write `{text}`", text, safe=safe)


class Remedy(str):
    """What a rule of an op, or of a data set, proposes when it is broken."""

    __slots__ = ()


class SetFields(Remedy):
    """Set fields of the layer to these values, in the spec's notation: `set groups to 2`."""

    __slots__ = ("values",)
    values: tuple[tuple[str, str], ...]

    def __new__(cls, words: str, **values: object) -> SetFields:
        """Create it from its text and the values by field."""
        remedy = super().__new__(cls, words)
        remedy.values = tuple((field, str(value)) for field, value in values.items())
        return remedy


class WriteOp(Remedy):
    """Write another op's name instead: ``write `batch_norm2d` ``."""

    __slots__ = ("op",)
    op: str

    def __new__(cls, op: str) -> WriteOp:
        """Create it from the op's name."""
        remedy = super().__new__(cls, f"write `{op}`")
        remedy.op = op
        return remedy


class WriteLayer(Remedy):
    """Write another layer instead: ``write `group_norm: 1`, which normalises over all channels``."""

    __slots__ = ("layer",)
    layer: str

    def __new__(cls, layer: str, why: str) -> WriteLayer:
        """Create it from the layer and the reason."""
        remedy = super().__new__(cls, f"write `{layer}`, {why}")
        remedy.layer = layer
        return remedy


class RemoveLayer(Remedy):
    """Remove the layer: ``remove `flatten` ``."""

    __slots__ = ()


class PutBefore(Remedy):
    """Put an op before the layer: ``put `flatten` before it``."""

    __slots__ = ("op",)
    op: str

    def __new__(cls, op: str) -> PutBefore:
        """Create it from the op's name."""
        remedy = super().__new__(cls, f"put `{op}` before it")
        remedy.op = op
        return remedy


class GiveChannels(PutBefore):
    """Give the layer so many channels: in the layer that decides them, or by a convolution before it."""

    __slots__ = ("channels",)
    channels: int

    def __new__(cls, channels: int) -> GiveChannels:
        """Create it from the number of channels."""
        remedy = super().__new__(cls, f"conv2d: {{out_channels: {channels}, kernel_size: 1}}")
        assert isinstance(remedy, cls)
        remedy.channels = channels
        return remedy


class EndInput(Remedy):
    """End an input of a merge, counted from 0, with layers: ``end input 2 with `conv2d: {…}` ``.

    shortcut: the op that can do this to any input, as the only layer of the shortcut of a block; None if none can.
    """

    __slots__ = ("layers", "shortcut", "which")
    which: int
    layers: tuple[str, ...]
    shortcut: str | None

    def __new__(cls, which: int, *layers: str, shortcut: str | None = None) -> EndInput:
        """Create it from the input's number and the layers."""
        remedy = super().__new__(cls, f"end input {which + 1} with {cls.listed(layers)}")
        remedy.which, remedy.layers, remedy.shortcut = which, layers, shortcut
        return remedy

    @staticmethod
    def listed(layers: tuple[str, ...]) -> str:
        """The layers in words."""
        return " and ".join(f"`{layer}`" for layer in layers)


class SetOutputs(Remedy):
    """Give the network this many outputs: ``make the last layer `linear: 10` ``."""

    __slots__ = ("outputs",)
    outputs: int

    def __new__(cls, outputs: int) -> SetOutputs:
        """Create it from the number of outputs."""
        remedy = super().__new__(cls, f"make the last layer `linear: {outputs}`")
        remedy.outputs = outputs
        return remedy


class SetInput(Remedy):
    """Give the network another input: ``write `input: [3, 32, 32]` ``."""

    __slots__ = ("shape",)
    shape: tuple[int, ...]

    def __new__(cls, shape: tuple[int, ...]) -> SetInput:
        """Create it from the shape."""
        remedy = super().__new__(cls, f"write `input: {list(shape)}`")
        remedy.shape = shape
        return remedy


def set_to(field: str, value: object) -> SetFields:
    """`set groups to 2`."""
    return SetFields(f"set {field} to {value}", **{field: value})


def raise_to(field: str, value: object) -> SetFields:
    """`raise padding to at least 1`."""
    return SetFields(f"raise {field} to at least {value}", **{field: value})


def lower_to(field: str, value: object) -> SetFields:
    """`lower kernel_size to at most 3`."""
    return SetFields(f"lower {field} to at most {value}", **{field: value})
