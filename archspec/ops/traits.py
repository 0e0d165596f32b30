"""What passes ask of an op. A trait is a fact about it; a pass asks for the trait and never for an op's name.

An op lists its traits: `traits = (Elementwise(), Saturates(RECTIFIED))`. A pass asks `op.trait(Saturates)`, which gives
the trait with its data, or None. `tests/ops/test_traits.py` holds what each trait says against what torch computes.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Final, NamedTuple, TypeVar

from archspec.ops.windows import Window


class Affects(Enum):
    """What of its output's shape a field decides. A field that is not marked is taken to decide everything."""

    CHANNELS = "channels"  # along `Operation.channels`
    SPACE = "space"  # height and width, or all dimensions after the channels
    NOTHING = "nothing"


_T = TypeVar("_T")
# How a field is marked: `bias: AffectsNothing[bool] = Field(True, description=…)`.
AffectsChannels = Annotated[_T, Affects.CHANNELS]
AffectsSpace = Annotated[_T, Affects.SPACE]
AffectsNothing = Annotated[_T, Affects.NOTHING]


class Trait:
    """A fact about an op. No dataclass, whose making would slow down every start of the program."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class KeepsLayout(Trait):
    """The output's dimensions are the input's, in their order: an image stays one, whichever side its channels are."""


class Reshapes(Trait):
    """The output has the input's elements in the same order, in another shape."""


class GivesShape(Trait):
    """A field alone decides the output's shape without the batch, whatever flows in.

    field: its name; its value is that shape.
    """

    def __init__(self, field: str) -> None:
        self.field = field


class FeaturesLast(Trait):
    """The last dimension of the output holds the features of each position, as for words: (N, length, features)."""


class Elementwise(KeepsLayout):
    """An element of the output depends on the input's element at its place, and on no other; the shape stays."""


class Affine(Trait):
    """In evaluation an affine function with which linear maps of the last dimension before and after it are one."""


class Projects(Trait):
    """A learned linear map of dimension `dim`.

    images: the op to put before it where images flow in, since `dim` would be their width.
    """

    def __init__(self, dim: int = 1, images: str | None = None) -> None:
        self.dim = dim
        self.images = images


class Convolves(Projects):
    """A learned linear map of the channels in windows that slide over the image: a convolution, or its transpose."""


class Windowed(Trait):
    """Windows slide over the input."""

    def windows(self, op: object) -> tuple[Window, ...]:
        """Those of a given op, one for each dimension after the channels: its property `windows`."""
        windows: tuple[Window, ...] = getattr(op, "windows")  # noqa: B009 (not every op has it)
        return windows


class Normalises(Trait):
    """Mean and deviation of the input's elements become fixed ones.

    batch: they are taken over the samples of a batch in training, and in evaluation where there are no buffers.
    """

    def __init__(self, *, batch: bool = False) -> None:
        self.batch = batch


class Stochastic(Trait):
    """Draws random numbers in training, and none in evaluation.

    probability: the field that is 0 where it draws none; None if there is no such field.
    """

    def __init__(self, probability: str | None = "p") -> None:
        self.probability = probability

    def share(self, op: object) -> float:
        """How much of its input a given op changes by chance, 0 to 1; 1 where no field says it."""
        return 1.0 if self.probability is None else float(getattr(op, self.probability))


class Drops(Stochastic):
    """Sets a share of the values to zero in training, and does nothing in evaluation."""


class SquashesLogits(Trait):
    """Gives probabilities, of which a cross entropy takes the softmax again."""


class Family(NamedTuple):
    """Activations that are flat in the same way. low, high: the values where they are; None for no upper one.

    name: in checkpoints, so that it stays. units: what a message calls the units of such a layer.
    """

    name: str
    low: float
    high: float | None
    units: str


RECTIFIED: Final = Family("relu", 0.0, None, "ReLUs")
SIGMOID: Final = Family("sigmoid", 0.0, 1.0, "sigmoids")
TANH: Final = Family("tanh", -1.0, 1.0, "tanh units")
FAMILIES: Final = {family.name: family for family in (RECTIFIED, SIGMOID, TANH)}


class Saturates(Trait):
    """Flat for large inputs of one sign or of both: a unit that stays there learns nothing."""

    def __init__(self, family: Family) -> None:
        self.family = family
