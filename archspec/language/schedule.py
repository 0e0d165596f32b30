"""How the learning rate changes over a run: the recipe's `schedule` and `warmup`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from archspec.diagnostics.hints import write
from archspec.language.message_text import value_text
from archspec.language.problems import COMPLETE
from archspec.language.section import AlsoPlain, Section, crossed, mapping_or, not_one_of

PositiveInt = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]


class Constant(Section):
    """A constant rate."""

    kind: Literal["constant"] = "constant"


class Step(Section):
    """The rate is multiplied by `factor` after every `every` epochs, or after each of the epochs `at`."""

    main: ClassVar[str] = "every"
    kind: Literal["step"] = "step"
    every: PositiveInt | None = Field(None, description="number of epochs between two drops")
    at: Annotated[tuple[PositiveInt, ...], Field(min_length=1, strict=False)] | None = Field(
        None, description="epochs after which the rate drops, instead of `every`"
    )
    factor: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        0.1, description="what the rate is multiplied by"
    )

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.every is None) == (self.at is None):
            raise crossed(
                "schedule", "step needs `every` or `at`, and not both: {step: 10} drops every 10 epochs"
            )
        return self


class Cosine(Section):
    """The rate falls along half a cosine to `final` times `lr` (Loshchilov & Hutter 2016, equation 5)."""

    main: ClassVar[str] = "final"
    kind: Literal["cosine"] = "cosine"
    final: Share = Field(0.0, description="the last rate, as a share of `lr`")


class OneCycle(Section):
    """The rate rises from `start` to `lr` and falls to `final`, along cosines (Smith & Topin 2017)."""

    main: ClassVar[str] = "peak"
    kind: Literal["one_cycle"] = "one_cycle"
    peak: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="point at which `lr` is reached, as a share of the run"
    )
    start: PositiveShare = Field(0.04, description="the first rate, as a share of `lr`")
    final: PositiveShare = Field(4e-6, description="the last rate, as a share of `lr`")


SCHEDULES: Final[Mapping[str, type[Section]]] = {
    "constant": Constant, "step": Step, "cosine": Cosine, "one_cycle": OneCycle,
}


def _schedule(value: Any) -> Any:
    """`cosine`, `{step: 10}` or `{step: {every: 10}}`, written as layers are, to fields with their `kind`."""
    if isinstance(value, Section):
        return value
    name: Any = value
    argument: Any = {}
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, argument),) = value.items()
    if not isinstance(name, str):
        message = "must be one schedule: a name, or its name and fields"
        raise PydanticCustomError("recipe_value", message, _nested(value))
    if name not in SCHEDULES:
        raise not_one_of(name, SCHEDULES)
    if isinstance(argument, Mapping):
        if "kind" in argument:
            raise PydanticCustomError("recipe_value", "{name} has no field `kind`", {"name": name})
        return {**argument, "kind": name}
    main = getattr(SCHEDULES[name], "main", None)
    if main is None:
        raise PydanticCustomError("recipe_value", "{name} takes no argument", {"name": name})
    if name != "step" and isinstance(argument, int) and argument > 1:  # epochs or steps, as in PyTorch
        raise PydanticCustomError(
            COMPLETE, "gives {name} {value}: it lasts as long as the run, and its argument is `{main}`, from 0 to 1",
            {"name": name, "value": value_text(argument), "main": main, "hint": write(name)},
        )
    return {main: argument, "kind": name}


def _nested(value: Any) -> dict[str, Any]:
    """A hint where the fields stand beside the schedule's name, as in `{step: 20, factor: 0.1}`."""
    names = [key for key in value if key in SCHEDULES] if isinstance(value, Mapping) else []
    main = getattr(SCHEDULES[names[0]], "main", None) if len(names) == 1 else None
    if main is None:
        return {}
    argument = value[names[0]]
    fields = dict(argument) if isinstance(argument, Mapping) else {} if argument is None else {main: argument}
    fields |= {key: field for key, field in value.items() if key != names[0]}
    if not fields.keys() <= SCHEDULES[names[0]].model_fields.keys() - {"kind"}:
        return {}
    inner = ", ".join(f"{key}: {value_text(field)}" for key, field in fields.items())
    return {"hint": f"write `{{{names[0]}: {{{inner}}}}}`"}


class _AsWritten:
    """JSON Schema of what a person writes: a name, `{name: main argument}` or `{name: {fields}}`."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        written: list[dict[str, Any]] = [{"enum": [name for name in SCHEDULES if name != "step"]}]
        for name, model in SCHEDULES.items():
            fields = model.model_json_schema()
            fields["properties"].pop("kind")
            main = getattr(model, "main", None)
            argument = fields if main is None else {"anyOf": [fields["properties"][main], fields]}
            written.append({
                "type": "object", "description": fields["description"], "properties": {name: argument},
                "required": [name], "additionalProperties": False,
            })
        return {"anyOf": written}


Schedule = Annotated[
    Annotated[Constant | Step | Cosine | OneCycle, Field(discriminator="kind")],
    BeforeValidator(_schedule),
    _AsWritten(),
]


class WarmupLength(Section):
    """The rate first rises in a straight line: `warmup: 5` (epochs) or `warmup: {steps: 500}`."""

    epochs: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None, description="length in epochs; 0.5 is half an epoch"
    )
    steps: Annotated[int, Field(ge=0)] | None = Field(
        None, description="length in steps, instead of `epochs`"
    )

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise crossed("warmup", "needs `epochs` or `steps`, and not both: 5, or {steps: 500}")
        return self


def _warmup(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not 0 <= value < float("inf"):
            raise PydanticCustomError(
                COMPLETE, "must be 0 or more epochs, got {value}", {"value": value}
            )
        return {"epochs": float(value)}
    return mapping_or(value, WarmupLength, "a number of epochs, or {steps: N}")


Warmup = Annotated[WarmupLength, BeforeValidator(_warmup), AlsoPlain({"type": "number", "minimum": 0})]
