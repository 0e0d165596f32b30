"""Fields of a recipe that most recipes lack: `augment`, `validation` and `early_stopping`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlencode

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from archspec.diagnostics import Hint, plural
from archspec.language.loss import metrics_of
from archspec.language.problems import COMPLETE, explain
from archspec.language.section import AlsoPlain, Section, mapping_or, not_one_of

Chance = Annotated[float, Field(gt=0, le=1)]
FLIP: Final = 0.5  # of a plain `horizontal_flip`


class Augment(Section):
    """Augmentation of training images, after resizing to the network's input: `[random_crop: 4, horizontal_flip: 0.5]`.

    The order is that of the fields below, regardless of how they are written. The result only depends on seed, epoch
    and the image's index.
    """

    horizontal_flip: Chance | None = Field(None, description="probability of mirroring an image horizontally")
    random_crop: Annotated[int, Field(ge=1)] | None = Field(
        None, description="black pixels added on each side of an image before a random window of its original size "
                          "is cut out"
    )
    random_erase: Chance | None = Field(
        None, description="probability of a black rectangle (Zhong et al. 2017), of 2 to 33 % of the image"
    )


def _augment(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return mapping_or(value, Augment, "a list such as [random_crop: 4, horizontal_flip: 0.5]")
    fields: dict[str, Any] = {}
    for item in value:
        name, argument = _step(item)
        if name in fields:
            raise PydanticCustomError("recipe_value", "has `{name}` twice", {"name": name})
        fields[name] = argument
    try:
        return Augment.model_validate(fields)
    except ValidationError as problems:
        first: dict[str, Any] = dict(problems.errors(include_url=False)[0])
        rule, hint = explain(first, Augment)
        name = first["loc"][0]
        off = isinstance(hint, Hint) and hint.own == "null"  # a step that does nothing
        meant = {} if hint is None else {"hint": f"remove `{name}`" if off else f"`{name}`: {hint}"}
        raise PydanticCustomError(COMPLETE, "{text}", {"text": f"`{name}` {rule}", **meant}) from problems


def _step(item: Any) -> tuple[str, Any]:
    """`horizontal_flip` or `{random_crop: 4}`."""
    name, argument = item, None
    if isinstance(item, Mapping) and len(item) == 1:
        ((name, argument),) = item.items()
    if not isinstance(name, str):
        raise PydanticCustomError("recipe_value", "must be a list of names with their numbers: [random_crop: 4]")
    if name not in Augment.model_fields:
        raise not_one_of(name, Augment.model_fields)
    if argument is None and name == "horizontal_flip":
        argument = FLIP
    if argument is None:
        raise PydanticCustomError("recipe_value", "needs a number for `{name}`", {"name": name})
    return name, argument


_STEPS: Final[dict[str, dict[str, Any]]] = {
    "horizontal_flip": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "random_crop": {"type": "integer", "minimum": 1},
    "random_erase": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
}
_LIST: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"anyOf": [
        {"enum": ["horizontal_flip"]},
        *({"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": False}
          for name, schema in _STEPS.items()),
    ]},
}

_VALIDATION: Final = "must be a share between 0 and 1, a number of images, `val` or `test`"
_VAL: Final = "write `val` for a folder's `val/`, or a share of the training images: 0.1"
_TEST: Final = Hint("for no validation set write `test`", "test")
_MEANT: Final = {
    "valid": _VAL, "validation": _VAL, "none": _TEST, "false": _TEST, "no": _TEST, "0": _TEST, "0.0": _TEST,
}


def _validation(value: Any) -> Any:
    """A share, a number of images, or a name; the hint tells a share from a number that is written as the other."""
    if isinstance(value, str) and value in ("val", "test"):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, float) and 0 < value < 1:
        return value
    hint: str | None = None
    if isinstance(value, float) and value > 1 and value.is_integer():
        hint = Hint(f"for {plural(int(value), 'image')} write `validation: {value:.0f}`", f"{value:.0f}")
    elif isinstance(value, str) and (found := re.fullmatch(r" *([1-9]\d?(?:\.\d+)?) *% *", value)):
        share = f"{float(found[1]) / 100:g}"
        hint = Hint(f"write {share}", share)
    else:
        hint = _MEANT.get(str(value).lower())
    raise PydanticCustomError("recipe_value", _VALIDATION, {"hint": hint} if hint else {"choices": ("val", "test")})


Validation = Annotated[
    float | int | Literal["val", "test"], BeforeValidator(_validation), WithJsonSchema({"anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, {"type": "integer", "minimum": 1},
        {"enum": ["val", "test"]},
    ]}),
]


class TableOfTargets(Section):
    """Images with a table of targets: `data: table:labels.csv`, or `data: {table: labels.csv, target: [age, height]}`.

    The table is CSV or Parquet. The images' paths are relative to it. With `cross_entropy` the target is one column of
    classes, with `bce` columns of 0 and 1, with `mse`, `l1` and `huber` columns of numbers.
    """

    table: Annotated[str, Field(min_length=1)] = Field(description="the file, relative to the working directory")
    image: str | None = Field(None, description="column of the images' paths; default: `image`, `path`, `file` or "
                                                "`filename`")
    target: str | Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        None, description="column of the target, or a list of columns; default: all others"
    )
    split: str | None = Field(None, description="column with train, val or test; default: `split`. Without one a fifth "
                                                "of the rows are the test set")


def _data(value: Any) -> Any:
    """A mapping to the text that names the same: `table:FILE?image=…&target=…`."""
    if not isinstance(value, (Mapping, TableOfTargets)):
        return value
    try:
        found = TableOfTargets.model_validate(value)
    except ValidationError as problems:
        first: dict[str, Any] = dict(problems.errors(include_url=False)[0])
        field = f"`{first['loc'][0]}` "
        text = "has no field " + field if first["type"] == "extra_forbidden" else field + explain(first)[0]
        if first["type"] == "missing":
            text = "must have `table`, as in {table: labels.csv, target: COLUMN}"
        raise PydanticCustomError(COMPLETE, "{text}", {"text": text.strip()}) from problems
    targets = [found.target] if isinstance(found.target, str) else found.target or ()
    pairs = [("image", found.image), *(("target", target) for target in targets), ("split", found.split)]
    given = [(key, column) for key, column in pairs if column is not None]
    if not given:
        return f"table:{found.table}"
    return f"table:{quote(found.table, safe='/~ :')}?{urlencode(given)}"


DataName = Annotated[str, Field(min_length=1), BeforeValidator(_data), WithJsonSchema({"anyOf": [
    {"type": "string", "minLength": 1},
    {"type": "object", "required": ["table"], "additionalProperties": False, "properties": {
        "table": {"type": "string", "minLength": 1}, "image": {"type": "string"}, "split": {"type": "string"},
        "target": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
    }},
]})]


def _metric(value: Any) -> Any:
    """Runs of archspec 0.1 name the test set's figures, which were the only ones."""
    return {"test_accuracy": "accuracy", "test_loss": "loss"}.get(value, value) if isinstance(value, str) else value


Augmenting = Annotated[Augment, BeforeValidator(_augment), AlsoPlain(_LIST)]


Metric = Annotated[Literal["accuracy", "f1", "exact_match", "mae", "r2", "loss"], BeforeValidator(_metric)]


class EarlyStopping(Section):
    """The run ends when the validation set's figure has not improved for `patience` epochs: `early_stopping: 5`.

    Without `validation`, a tenth of the training images becomes the validation set. With `validation: test` the test
    set decides; the number of epochs is then fitted to it, and its last accuracy is slightly too optimistic.
    """

    patience: Annotated[int, Field(ge=1)] = Field(
        examples=[5], description="number of epochs without improvement after which the run ends"
    )
    metric: Metric = Field(
        "accuracy", description="the figure to monitor, which also decides the best epoch; default: the first metric "
                                "of the loss"
    )
    min_delta: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="a change of at most this much is not an improvement"
    )


def _early_stopping(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"patience": value}
    value = mapping_or(value, EarlyStopping, "a number of epochs, or {patience: N, metric: loss}")
    losses = info.data.get("loss")  # None where the loss is wrong
    if losses is None:
        return value
    default = {"metric": metrics_of(losses)[0]}
    if isinstance(value, EarlyStopping):
        return value if "metric" in value.model_fields_set else value.model_copy(update=default)
    return {**default, **value}


Stopping = Annotated[EarlyStopping, BeforeValidator(_early_stopping), AlsoPlain({"type": "integer", "minimum": 1})]
