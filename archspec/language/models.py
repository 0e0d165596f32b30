"""The file format as Pydantic models: what a spec built in Python is made of, and where the JSON Schema comes from.

Type checkers see more of the models than Pydantic, which leaves layers alone: the language has its own checks, with
better words than a union's. They know a default by its keyword only, and take an `alias` for the parameter's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from archspec.language.recipe_fields import RecipeFields
from archspec.ops import Merge, Operation
from archspec.ops.placed import Placed
from archspec.source import Path
from archspec.source.scalars import forbidden

if TYPE_CHECKING:
    from archspec.language.recipe import Recipe
    from archspec.language.written import Written
    from archspec.source.origin import Origin

    Value: TypeAlias = (
        "bool | int | float | str | Operation | Layer | Sequence[Value] | Mapping[str, Value] | None"
    )  # of a field, an argument, a branch
    OneLayer: TypeAlias = "str | Operation | Layer | Mapping[str, Value]"
    Body: TypeAlias = "OneLayer | Sequence[OneLayer]"
    Bodies: TypeAlias = Mapping[str, Body]
    Values: TypeAlias = Mapping[str, Value]
    Blocks: TypeAlias = "Mapping[str, Block | Mapping[str, Value]]"
    Train: TypeAlias = Recipe | RecipeFields
    Recipes: TypeAlias = Mapping[str, RecipeFields]
else:
    def _copied(value: Any, depth: int = 0) -> Any:
        """The containers anew, so that later changes of the caller's lists do not reach the spec."""
        if isinstance(value, Mapping) and depth < 100:
            return {key: _copied(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)) and depth < 100:
            return [_copied(item, depth + 1) for item in value]
        return value

    def _dumped(value: Any) -> Any:
        return _written().plain(value)

    _AsGiven = (BeforeValidator(_copied), PlainSerializer(_dumped))
    Value = OneLayer = Body = Annotated[Any, *_AsGiven]
    Bodies = Values = Blocks = Annotated[dict[str, Any], *_AsGiven]
    Recipes = Annotated[dict[str, dict[str, Any]], *_AsGiven]
    Train = Annotated[Any, *_AsGiven]


def _comment(text: str) -> str:
    found = next((c for line in text.splitlines() if (c := forbidden(line)) is not None), None)
    if found is not None:
        raise ValueError(f"a comment cannot contain the control character U+{ord(found):04X}")
    return text


Comment = Annotated[str, AfterValidator(_comment)]


def _written() -> Written:
    from archspec.language.written import Written  # with the recipe's models, which only a made spec needs

    return Written()


class Model(Placed):
    """What the models of the file format share."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, populate_by_name=True, arbitrary_types_allowed=True
    )

    def write(self, to: Written, path: Path) -> Any:
        """The model as a spec file writes it, its comments and origins noted in `to`."""
        return {key: to.plain(getattr(self, key), (*path, key)) for key in type(self).model_fields
                if key in self.model_fields_set and key != "comment"}

    def to_data(self) -> Any:
        """The model as a spec file writes it."""
        return _written().plain(self)


class Layer(Model):
    """One layer with what stands beside it: `Layer(kind=Conv2d(out_channels=6, kernel_size=5), name="first")`.

    An op, block or merge may also be named, and its fields or branches given apart, where they hold expressions:
    `Layer(kind="conv2d", args={"out_channels": "$width", "kernel_size": 5})`.
    """

    kind: str | Operation | None = Field(
        default=None, description="an op's model, or the name of an op, a block, a merge, `sequential`, or `$param`"
    )
    args: Value = Field(default=None, description="a plain value, a list, a mapping of fields or branches")
    branches: Bodies | None = Field(default=None, description="of a merge: name → body, beside the fields in `args`")
    name: str | None = Field(default=None, description="the module's name; else `op_k`, k counting the unnamed ones")
    repeat: int | str | None = Field(default=None, description="number of copies, with the index `i` from 0")
    when: bool | str | None = Field(
        default=None, description="false: the layer is left out, and its input passes through"
    )
    from_: str | None = Field(
        default=None, validation_alias="from", description="a named earlier output that replaces the input"
    )
    share: bool | str | None = Field(
        default=None, description="alone: the stage or named layer to run again, with its weights; "
                          "true beside `repeat`: all copies have one set of weights",
    )
    comment: Comment = Field(default="", description="a comment, which `to_yaml` writes above the layer")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if isinstance(self.kind, Operation) and self.args is not None:
            raise ValueError("`args` beside an op's model: give the fields to the model")
        if self.branches is not None:
            if not isinstance(self.kind, (Merge, str)):
                raise ValueError("`branches` need a merge as `kind`, such as `Add()`")
            if not isinstance(self.args, (dict, type(None))):
                raise ValueError("`args` beside `branches` is a mapping of the merge's fields")
        return self

    def write(self, to: Written, path: Path) -> Any:
        """The layer as a spec file writes it, a bare name where nothing else is given."""
        beside = {"name": self.name, "repeat": self.repeat, "when": self.when, "from": self.from_}
        beside = {**beside, "share": self.share} if self.kind else {"share": self.share, **beside}
        beside = {key: value for key, value in beside.items() if value is not None}
        if self.kind is None:
            return beside
        kind, args = self._kind_and_args(to, path)
        return kind if args is None and not beside else {kind: args, **beside}

    def _kind_and_args(self, to: Written, path: Path) -> tuple[str, Any]:
        if isinstance(self.kind, Operation):
            made = to.plain(self.kind, path)
            kind, args = (made, None) if isinstance(made, str) else next(iter(made.items()))
        else:
            kind, args = self.kind or "", to.plain(self.args, (*path, self.kind or ""))
        if self.branches is not None:
            args = {**(args or {}), **to.plain(self.branches, (*path, kind))}
        return kind, args


class Block(Model):
    """A named body with parameters."""

    params: Values = Field(
        default_factory=dict, description="name → type (int, float, bool, str, list, layer, any) or default"
    )
    body: Body = Field(description="a list of layers, or one bare layer")
    comment: Comment = Field(default="", description="a comment, which `to_yaml` writes above the block")


class ArchSpec(Model):
    """A whole spec. `archspec.load` checks it; constructing it checks only the sections' kinds.

    Layers may be written as in a file (`"relu"`, `{"linear": 10}`), as `Layer`, or as an op's model
    (`Conv2d(out_channels=6, kernel_size=5)`).
    """

    archspec: Literal[1] = Field(default=1, description="format version")
    name: str | None = Field(default=None, description="defaults to the file name without its extension")
    description: str = Field(default="", description="what the network is and where it comes from")
    extends: str | None = Field(default=None, description="the base spec of this variant")
    use: str | Values | Sequence[str | Values] | None = Field(
        default=None, description="block libraries: files, or inline vars and blocks"
    )
    input: Value = Field(default=None, description="[channels, height, width], without the batch; "
                                           "or name → shape, or {shape, dtype: int64, below: N}")
    vars: Values = Field(default_factory=dict, description="named values, used as $name")
    blocks: Blocks = Field(default_factory=dict, description="this file's blocks")
    stages: Bodies = Field(default_factory=dict, description="name → body, in order")
    outputs: Sequence[str] | Mapping[str, str] | None = Field(
        default=None, description="the stages that the network returns, in order: a list, or name → always or "
                                  "training; default: the last stage"
    )
    expect: Values = Field(
        default_factory=dict, description="stage or `output` → shape; params, macs, buffers → number"
    )
    train: Train | None = Field(default=None, description="the default training recipe")
    recipes: Recipes = Field(
        default_factory=dict, description="named recipes, which list what differs from `train`"
    )
    comments: Mapping[str, Comment] = Field(
        default_factory=dict, description="comments, which `to_yaml` writes above their places: a section (`stages`), "
                                          "or one of its keys (`stages.body`)"
    )

    def write(self, to: Written, path: Path) -> dict[str, Any]:
        """The spec as a file holds it, without what is not set."""
        data = {key: to.plain(getattr(self, key), (*path, key)) for key in type(self).model_fields if key != "comments"}
        data["archspec"] = 1
        return {key: value for key, value in data.items() if value not in (None, {}, "")}

    def origins(self) -> dict[Path, Origin]:
        """Where in Python its parts were made, by their places in the data."""
        to = _written()
        to.plain(self)
        return to.origins

    def to_yaml(self) -> str:
        """The spec as text in the layout of `archspec fmt`, with its comments. `archspec.load` gives the same network.

        Errors: SpecError if it holds what no file can, such as an object; ValueError for a comment without a place.
        """
        from archspec.source import document_of, dump
        from archspec.source.layout import formatted

        to = _written()
        data = document_of(to.plain(self)).data
        for place, text in self.comments.items():
            at = tuple(place.split(".", 1))
            if at[0] not in data or (len(at) > 1 and at[1] not in data[at[0]]):
                raise ValueError(f"a comment at `{place}`, where the spec has nothing")
            to.comments[at] = "\n".join(filter(None, (text, to.comments.get(at, ""))))
        return formatted(dump(data, to.comments), "<python>")
