"""Hints that name an edit: their words, and as data what to write, so that a program can do what they say.

A rule that knows no text gives a `Remedy` of its layer; whoever knows the layer's place makes a `Hint` of it.
"""

from __future__ import annotations

from archspec.diagnostics.model import Hint


def near(name: str) -> Hint:
    """The hint at a name that was probably meant, where another is written."""
    return Hint(f"a similar name exists: `{name}`", name, safe=True)


def called(name: str) -> Hint:
    """The hint at what archspec calls something."""
    return Hint(f"it is called `{name}` here", name, safe=True)


def write(text: str, *, safe: bool = False) -> Hint:
    """The hint at what to write instead of what is written."""
    return Hint(f"write `{text}`", text, safe=safe)


class Remedy(str):
    """What a rule of an op, or of a data set, proposes for what breaks it."""

    __slots__ = ()


class SetFields(Remedy):
    """Give fields of the layer these values, as a spec writes them: `set groups to 2`."""

    __slots__ = ("values",)
    values: tuple[tuple[str, str], ...]

    def __new__(cls, words: str, **values: object) -> SetFields:
        """The words, and the values by field."""
        remedy = super().__new__(cls, words)
        remedy.values = tuple((field, str(value)) for field, value in values.items())
        return remedy


class WriteOp(Remedy):
    """Write another op's name instead: ``write `batch_norm2d` ``."""

    __slots__ = ("op",)
    op: str

    def __new__(cls, op: str) -> WriteOp:
        """The words for this op."""
        remedy = super().__new__(cls, f"write `{op}`")
        remedy.op = op
        return remedy


class WriteLayer(Remedy):
    """Write another layer instead: ``write `group_norm: 1`, which normalises over all channels``."""

    __slots__ = ("layer",)
    layer: str

    def __new__(cls, layer: str, why: str) -> WriteLayer:
        """The words for this layer, and the reason."""
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
        """The words for this op."""
        remedy = super().__new__(cls, f"put `{op}` before it")
        remedy.op = op
        return remedy


class EndInput(Remedy):
    """End an input of a merge, counted from 0, with layers: ``end input 2 with `conv2d: {…}` ``."""

    __slots__ = ("layers", "which")
    which: int
    layers: tuple[str, ...]

    def __new__(cls, which: int, *layers: str) -> EndInput:
        """The words for these layers."""
        remedy = super().__new__(cls, f"end input {which + 1} with {cls.listed(layers)}")
        remedy.which, remedy.layers = which, layers
        return remedy

    @staticmethod
    def listed(layers: tuple[str, ...]) -> str:
        """The layers in words."""
        return " and ".join(f"`{layer}`" for layer in layers)


class SetOutputs(Remedy):
    """Give the network as many outputs: ``make the last layer `linear: 10` ``."""

    __slots__ = ("outputs",)
    outputs: int

    def __new__(cls, outputs: int) -> SetOutputs:
        """The words for this number."""
        remedy = super().__new__(cls, f"make the last layer `linear: {outputs}`")
        remedy.outputs = outputs
        return remedy


class SetInput(Remedy):
    """Give the network another input: ``write `input: [3, 32, 32]` ``."""

    __slots__ = ("shape",)
    shape: tuple[int, ...]

    def __new__(cls, shape: tuple[int, ...]) -> SetInput:
        """The words for this shape."""
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
