"""Fields of a recipe about parts of a network: how it starts, what learns, what is recomputed."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from archspec.diagnostics.hints import write_near
from archspec.language.section import AlsoPlain, Section, crossed, mapping_or, not_one_of
from archspec.language.synonyms import choice_meant

WeightsInit = Literal[
    "default", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "normal"
]
BiasesInit = Literal["default", "zeros"]
TORCHVISION: Final = "torchvision:"
TRAINED: Final = "trained"
PICKLED: Final = (".pth", ".pt")  # torch's own files
SAFE: Final = ".safetensors"
_RANGE: Final = re.compile(r"(.+\.)(\d{1,9})–\1(\d{1,9})")  # `fit` prints long lists so
_MOST: Final = 10_000  # copies in a range


def _source(value: Any) -> Any:
    """The text of `from`, whose form must be one of three."""
    if not isinstance(value, str) or not value.strip():
        raise PydanticCustomError("recipe_value", "must be a .safetensors file, a run's folder or torchvision:NAME")
    name = value.removeprefix(TORCHVISION)
    if value.startswith(TORCHVISION):
        from archspec.language.torchvision_files import FILES  # few recipes need it

        if name not in FILES and not name.endswith(PICKLED):
            near = choice_meant(name[:80], FILES)
            raise PydanticCustomError(
                "recipe_value", "names a model of which torchvision publishes no weights",
                {"hint": write_near(near, TORCHVISION)} if near else {},
            )
    elif value.endswith(PICKLED):
        raise PydanticCustomError(
            "recipe_value", "must be a .safetensors file, a run's folder or torchvision:NAME",
            {"hint": f"write `{TORCHVISION}{value}` for a file that torchvision published"},
        )
    return value


class Initialisation(Section):
    """Initialisation of the parameters: `init: xavier_uniform`, or `init: {weights: kaiming_normal, biases: zeros}`.

    The rules set weights and biases of linear layers and convolutions; all other parameters start as in PyTorch.
    `init: {from: SOURCE}` then copies trained weights, and what the source does not have keeps what the rules gave it.
    A tensor is copied if its shape is that of the network's. SOURCE is a .safetensors file or the folder of a run,
    whose tensors are matched by name, or `torchvision:NAME`, whose tensors are matched by their order: the file that
    torchvision published for the model NAME, in torch's cache of downloads, or `torchvision:PATH.pth`.
    """

    source: Annotated[str, BeforeValidator(_source), WithJsonSchema({"type": "string", "minLength": 1})] | None = Field(
        None, alias="from", description="trained weights to start from: FILE.safetensors, a run's folder, or "
        "torchvision:NAME",
    )
    strict: bool = Field(
        False, description="true: it is an error if a tensor of the network or of the source has no counterpart"
    )
    weights: WeightsInit = Field(
        "default",
        description="rule for the weights of linear layers and convolutions, as in torch.nn.init; "
        "the kaiming rules count fan-in and assume relu; normal has a standard deviation of 0.01",
    )
    biases: BiasesInit = Field("default", description="`default` leaves PyTorch's small random biases")

    @model_validator(mode="after")
    def _strict_about_something(self) -> Self:
        if self.strict and self.source is None:
            raise crossed("init", "has `strict` without `from`")
        return self

    @property
    def start(self) -> str:
        """What decides the weights before the first step: the name of the rule, or `TRAINED`."""
        return self.weights if self.source is None else TRAINED

    def rules(self) -> "Initialisation":
        """The same without trained weights."""
        return self.model_copy(update={"source": None, "strict": False})


def _initialisation(value: Any) -> Any:
    if isinstance(value, str):
        if value not in get_args(WeightsInit):
            raise not_one_of(value, get_args(WeightsInit))
        return {"weights": value}
    return mapping_or(value, Initialisation, "a rule's name, or {weights: RULE, biases: RULE}")


Init = Annotated[
    Initialisation, BeforeValidator(_initialisation), AlsoPlain({"enum": list(get_args(WeightsInit))})
]


def parts_of(name: Any) -> list[Any]:
    """The parts that a range such as `b2.0–b2.4` stands for; any other name stands for itself."""
    found = _RANGE.fullmatch(name) if isinstance(name, str) else None
    first, last = (int(found[2]), int(found[3])) if found else (0, 0)
    return [f"{found[1]}{k}" for k in range(first, last + 1)] if found and 0 < last - first < _MOST else [name]


def _names(value: Any, what: str = "stage or layer") -> Any:
    """A name, or a list of different names, with ranges. what: it names."""
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not names:
        raise PydanticCustomError("recipe_value", f"must be the name of a {what}, or a list of them")
    for name in names:
        if not isinstance(name, str) or not name:
            raise PydanticCustomError("recipe_value", f"must be a list of names of {_plurals(what)}")
    names = [part for name in names for part in parts_of(name)]
    twice = next((name for k, name in enumerate(names) if name in names[:k]), None)
    if twice is not None:
        raise PydanticCustomError("recipe_value", "has `{name}` twice", {"name": twice[:80]})
    return tuple(names)


def _plurals(what: str) -> str:
    return " or ".join(f"{word}s" for word in what.split(" or "))


_NAME: Final[dict[str, Any]] = {"type": "string", "minLength": 1}
_NAMES: Final = WithJsonSchema({"anyOf": [_NAME, {"type": "array", "items": _NAME, "minItems": 1}]})
Frozen = Annotated[tuple[str, ...], BeforeValidator(_names), _NAMES]
Recomputed = Annotated[tuple[str, ...], BeforeValidator(partial(_names, what="stage or part")), _NAMES]


def _scales(value: Any) -> Any:
    if not isinstance(value, Mapping) or not value:
        raise PydanticCustomError("recipe_value", "must be a mapping from stages or layers to factors: {head: 10}")
    return value


Scales = Annotated[
    dict[Annotated[str, Field(min_length=1)], Annotated[float, Field(gt=0, allow_inf_nan=False)]],
    BeforeValidator(_scales),
]
