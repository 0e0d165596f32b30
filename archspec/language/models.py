"""The file format as Pydantic models: what a spec built in Python is made of, and where the JSON Schema comes from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny

from archspec.ops import Operation


class Model(BaseModel):
    """What the models of the file format share."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, populate_by_name=True)


class Layer(Model):
    """One layer, for specs built in Python: `Layer(kind="conv2d", args={"out_channels": 6, "kernel_size": 5})`."""

    kind: str | None = Field(None, description="an op, a block, a merge, `sequential`, or `$param`")
    args: Any = Field(None, description="a plain value, a list, a mapping of fields or branches")
    name: str | None = Field(None, description="the module's name; else `op_k`, k counting the unnamed ones")
    repeat: int | str | None = Field(None, description="number of copies, with the index `i` from 0")
    when: bool | str | None = Field(None, description="false: the layer is left out, and its input passes through")
    from_: str | None = Field(None, alias="from", description="a named earlier output that replaces the input")
    share: bool | str | None = Field(
        None, description="alone: the stage or named layer to run again, with its weights; "
                          "true beside `repeat`: all copies have one set of weights",
    )

    def to_data(self) -> Any:
        """The layer as a spec file writes it."""
        beside = {"name": self.name, "repeat": self.repeat, "when": self.when, "from": self.from_}
        beside = {**beside, "share": self.share} if self.kind else {"share": self.share, **beside}
        beside = {key: value for key, value in beside.items() if value is not None}
        if self.kind is None:
            return beside
        args = _plain(self.args)
        return self.kind if args is None and not beside else {self.kind: args, **beside}


def _plain(value: Any) -> Any:
    """Layers and ops anywhere in a value, as a spec file writes them."""
    if isinstance(value, Layer):
        return value.to_data()
    if isinstance(value, Operation):
        fields = value.model_dump(mode="json", exclude_unset=True)
        return {value.op: fields} if fields else value.op
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True, by_alias=True)
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


# A list of layers, or one bare layer. The language has its own checks, with better words than a union's.
Body = Annotated[Any, BeforeValidator(_plain)]


class Block(Model):
    """A named body with parameters."""

    params: dict[str, Any] = Field(
        default_factory=dict, description="name → type (int, float, bool, str, list, layer, any) or default"
    )
    body: Body = Field(description="a list of layers, or one bare layer")


class ArchSpec(Model):
    """A whole spec. `archspec.load` checks it; constructing it checks only the sections' kinds.

    Layers may be written as in a file (`"relu"`, `{"linear": 10}`), as `Layer`, or as an op's model
    (`Conv2d(out_channels=6, kernel_size=5)`).
    """

    archspec: Literal[1] = Field(1, description="format version")
    name: str | None = Field(None, description="defaults to the file name without its extension")
    description: str = Field("", description="what the network is and where it comes from")
    extends: str | None = Field(None, description="the base spec of this variant")
    use: str | dict[str, Any] | list[str | dict[str, Any]] | None = Field(
        None, description="block libraries: files, or inline vars and blocks"
    )
    input: SerializeAsAny[Any] = Field(None, description="[channels, height, width], without the batch; "
                                                          "or name → shape, or {shape, dtype: int64, below: N}")
    vars: dict[str, Any] = Field(default_factory=dict, description="named values, used as $name")
    blocks: dict[str, Annotated[Any, BeforeValidator(_plain)]] = Field(
        default_factory=dict, description="this file's blocks"
    )
    stages: dict[str, Body] = Field(default_factory=dict, description="name → body, in order")
    outputs: list[str] | dict[str, str] | None = Field(
        None, description="the stages that the network returns, in order: a list, or name → always or training; "
                          "default: the last stage"
    )
    expect: dict[str, Any] = Field(
        default_factory=dict, description="stage or `output` → shape; params, macs, buffers → number"
    )
    train: dict[str, Any] | None = Field(None, description="the default training recipe")
    recipes: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="named recipes, which list what differs from `train`"
    )

    def to_data(self) -> dict[str, Any]:
        """The spec as a file holds it, without what is not set."""
        data = {key: _plain(getattr(self, key)) for key in type(self).model_fields}
        data["archspec"] = 1
        return {key: value for key, value in data.items() if value not in (None, {}, "")}
