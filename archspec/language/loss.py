"""What training minimises and how it is scored: the recipe's `loss`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, NamedTuple, TypeVar

from pydantic import BeforeValidator, Discriminator, Field, GetJsonSchemaHandler, Tag, TypeAdapter, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from archspec.language.message_text import value_text
from archspec.language.problems import COMPLETE
from archspec.language.section import Section, not_one_of
from archspec.plugins import Door, PluginError

if TYPE_CHECKING:
    from torch import Tensor

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Smoothing = Annotated[float, Field(ge=0, lt=1)]


class Figure(NamedTuple):
    """A metric. title: in sentences. short: in tables. higher: whether more of it is better."""

    title: str
    short: str
    higher: bool = True


FIGURES: Final[Mapping[str, Figure]] = {
    "loss": Figure("loss", "loss", higher=False),
    "accuracy": Figure("accuracy", "acc"), "top5": Figure("top-5 accuracy", "top5"),
    "f1": Figure("F1", "F1"), "exact_match": Figure("exact match", "exact"),
    "mae": Figure("MAE", "MAE", higher=False), "r2": Figure("R²", "R²"),
}


class Loss(Section):
    """A loss. metrics: the figures that go with it; the first decides which epoch is the best."""

    metrics: ClassVar[tuple[str, ...]]
    labelled: ClassVar[bool] = False  # whether targets are classes, which can be smoothed and weighted
    kind: str
    weight: Positive = Field(1.0, description="factor of this loss in the sum of all outputs' losses")


class _Labelled(Loss):
    labelled: ClassVar[bool] = True
    label_smoothing: Smoothing | None = Field(
        None, examples=[0.1], description="share of each training label that is distributed over all answers; default: "
        "the recipe's `label_smoothing`"
    )


def _class_weights(value: Any) -> Any:
    """`balanced`, or a positive number for each class."""
    if value is None or value == "balanced":
        return value
    if not isinstance(value, (list, tuple)) or not value:
        message = "must be a list with a number for each class, or balanced"
        raise PydanticCustomError("recipe_value", message, {"choices": ("balanced",)})
    for number in value:
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number < float("inf"):
            raise PydanticCustomError(
                COMPLETE, "must have a positive number for each class, got {number}", {"number": value_text(number)}
            )
    return tuple(map(float, value))


ClassWeights = Annotated[
    tuple[float, ...] | Literal["balanced"] | None, BeforeValidator(_class_weights), WithJsonSchema({"anyOf": [
        {"enum": ["balanced"]}, {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}, "minItems": 1},
    ]}),
]


class CrossEntropy(_Labelled):
    """One class for each image; the network's outputs are logits. Metrics: accuracy, and top-5 beyond 10 outputs.

    `class_weights` multiply the loss of each class's training images; the mean is over the images. `balanced` gives a
    class with a share p of the training images, of K classes, the weight 1 / (K p).
    """

    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "top5")
    kind: Literal["cross_entropy"] = "cross_entropy"
    class_weights: ClassWeights = Field(None, description="a factor for each class, or `balanced`")


class BinaryCrossEntropy(_Labelled):
    """Several labels at once, each a yes or no; the network's outputs are logits. Metrics: F1 and exact match.

    F1 counts the decisions on all labels together (micro average); an output above 0 is a yes. `class_weights`
    multiply the loss of each label's positives; `balanced` is the ratio of its negatives to its positives.
    """

    metrics: ClassVar[tuple[str, ...]] = ("f1", "exact_match")
    kind: Literal["bce"] = "bce"
    class_weights: ClassWeights = Field(
        None, description="a factor for the positives of each label, or `balanced`"
    )


class _Regression(Loss):
    metrics: ClassVar[tuple[str, ...]] = ("mae", "r2")


class MeanSquaredError(_Regression):
    """Regression by the mean squared error. Metrics: MAE and R², a mean over the targets."""

    kind: Literal["mse"] = "mse"


class MeanAbsoluteError(_Regression):
    """Regression by the mean absolute error. Metrics: MAE and R², a mean over the targets."""

    kind: Literal["l1"] = "l1"


class Huber(_Regression):
    """Regression, squared for errors up to `delta` and absolute beyond (Huber 1964). Metrics: MAE and R²."""

    kind: Literal["huber"] = "huber"
    delta: Positive = Field(1.0, description="error up to which the loss is squared")


class OwnLoss(Loss):
    """The base class of a plugin's loss, for `@register_loss`.

    A subclass defines `kind: Literal["my_loss"] = "my_loss"`, its fields, `metrics` and `compute`. metrics: `accuracy`
    and `top5` of a loss for classes; `f1` and `exact_match`, or `mae` and `r2`, of one whose targets have the shape of
    the outputs.
    """

    def compute(self, outputs: "Tensor", targets: "Tensor") -> "Tensor":
        """The mean loss over a batch, shape (). The only method that imports torch.

        outputs: float32, (N, classes) or any other shape. targets: int64 (N,) of a loss for classes, or else float32 in
        the shape of the outputs.
        """
        raise NotImplementedError


LOSSES: Final[dict[str, type[Loss]]] = {
    "cross_entropy": CrossEntropy, "bce": BinaryCrossEntropy, "mse": MeanSquaredError, "l1": MeanAbsoluteError,
    "huber": Huber,
}
ONLY: Final = ""  # the name of a network's only output, or of its first, in a recipe that names none
AnyLoss = CrossEntropy | BinaryCrossEntropy | MeanSquaredError | MeanAbsoluteError | Huber | OwnLoss
LossClass = TypeVar("LossClass", bound=type[OwnLoss])
DEFAULT: Final[dict[str, AnyLoss]] = {ONLY: CrossEntropy()}


def register_loss(cls: LossClass) -> LossClass:
    """Class decorator: make a loss known to recipes by the default of its field `kind`.

    Errors: ValueError if it is not a complete subclass of `OwnLoss`, or its name is taken.
    """
    if not (isinstance(cls, type) and issubclass(cls, OwnLoss)):
        raise PluginError(f"`{getattr(cls, '__name__', cls)}` is not a subclass of archspec.OwnLoss")
    own: type[OwnLoss] = cls
    name = own.model_fields["kind"].default
    if not isinstance(name, str) or not name.isidentifier():
        raise PluginError(f"the loss `{cls.__name__}` needs a name: `kind: Literal[\"my_loss\"] = \"my_loss\"`")
    if cls.compute is OwnLoss.compute:
        raise PluginError(f"the loss `{name}` does not define `compute`")
    metrics = getattr(cls, "metrics", ())
    if tuple(metrics) not in {loss.metrics for loss in LOSSES.values()}:
        pairs = " or ".join(dict.fromkeys(str(loss.metrics) for loss in LOSSES.values()))
        raise PluginError(f"the loss `{name}` needs metrics: {pairs}")
    LOSS_DOOR.add(name, cls)
    return cls


LOSS_DOOR: Final = Door("loss", "archspec.losses", LOSSES, register_loss)


def takes_classes(loss: Loss) -> bool:
    """Whether its targets are class numbers, (N, …)."""
    return loss.metrics[0] == CrossEntropy.metrics[0]


def _losses(value: Any) -> Any:
    """The mapping of `_read_losses`, with the losses of plugins if one is unknown."""
    try:
        return _read_losses(value)
    except PydanticCustomError:
        if not LOSS_DOOR.discover():
            raise
        return _read_losses(value)


def _read_losses(value: Any) -> Any:
    """`mse`, `{mse: {weight: 2}}`, or a loss for each output by its name, to a mapping of fields with their `kind`."""
    if isinstance(value, Loss):
        return {ONLY: value}
    if isinstance(value, str):
        return {ONLY: _one(value)}
    if not isinstance(value, Mapping) or not value:
        raise PydanticCustomError(
            "recipe_value", "must be a loss: a name, its name and fields, or a mapping from outputs to losses"
        )
    if any(isinstance(loss, Loss) for loss in value.values()):
        return value
    names = [name for name in value if name in LOSSES]
    if names and not any(_is_loss(value[name]) for name in names):
        return {ONLY: _one(value)}
    if len(value) == 1 and _are_fields(next(iter(value.values()))):
        return {ONLY: _one(value)}  # an unknown name
    return {output: _one(loss) for output, loss in value.items()}


_FIELDS: Final = frozenset(name for loss in LOSSES.values() for name in loss.model_fields)


def _are_fields(value: Any) -> bool:
    """Whether a mapping gives fields of a loss: known ones, or only numbers and texts."""
    if not isinstance(value, Mapping):
        return False
    return value.keys() <= _FIELDS or not any(item is None or isinstance(item, Mapping) for item in value.values())


def _is_loss(value: Any) -> bool:
    """Whether a value is written as a loss, and so its key names an output."""
    return isinstance(value, str) or (isinstance(value, Mapping) and any(key in LOSSES for key in value))


def _one(value: Any) -> Any:
    """A name, or `{name: {fields}}`, to fields with their `kind`."""
    if isinstance(value, Loss):
        return value
    name: Any = value
    fields: Any = {}
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, fields),) = value.items()
    if not isinstance(name, str):
        message = "must be one loss: a name, or its name and fields"
        raise PydanticCustomError("recipe_value", message, _nested(value))
    if name not in LOSSES:
        raise not_one_of(name, LOSSES)
    if not isinstance(fields, Mapping) or "kind" in fields:
        message = "{name} takes fields: {{{name}: {{weight: 0.3}}}}"
        raise PydanticCustomError("recipe_value", message, {"name": name})
    return {**fields, "kind": name}


def _nested(value: Any) -> dict[str, Any]:
    """A hint where the fields stand beside the loss's name, as in `{mse: , weight: 2}`."""
    names = [key for key in value if key in LOSSES] if isinstance(value, Mapping) else []
    if len(names) != 1 or not (value[names[0]] is None or isinstance(value[names[0]], Mapping)):
        return {}
    fields = {**(value[names[0]] or {}), **{key: field for key, field in value.items() if key != names[0]}}
    if not fields.keys() <= LOSSES[names[0]].model_fields.keys() - {"kind"}:
        return {}
    inner = ", ".join(f"{key}: {value_text(field)}" for key, field in fields.items())
    return {"hint": f"write `{{{names[0]}: {{{inner}}}}}`"}


class _AsWritten:
    """JSON Schema of what a person writes: a name, `{name: {fields}}`, or one of these for each output.

    The fields of an output's loss are left to the model, apart from their weight: the schema would be very long.
    """

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        names: dict[str, Any] = {"enum": list(LOSSES)}
        fields: dict[str, Any] = {}
        for name, model in LOSSES.items():
            fields[name] = model.model_json_schema()
            fields[name]["properties"].pop("kind")
        weight = {"type": "object", "properties": {"weight": fields["mse"]["properties"]["weight"]}}
        named = {"type": "object", "propertyNames": names, "additionalProperties": weight}
        one = {**named, "minProperties": 1, "maxProperties": 1}
        of_output = {"anyOf": [names, one, {"type": "string", "pattern": r"^\$"}]}
        mapping = {"type": "object", "properties": fields, "additionalProperties": of_output, "minProperties": 1}
        return {"anyOf": [names, mapping]}


_PLUGIN: Final = "plugin"
_BUILT_IN: Final = frozenset(LOSSES)


def _tag(value: Any) -> str:
    """The union's member for a loss."""
    kind = value.get("kind") if isinstance(value, Mapping) else getattr(value, "kind", None)
    return kind if kind in _BUILT_IN else _PLUGIN


def _of_plugin(value: Any) -> Any:
    """The loss; the place of an error in its fields starts with its name, as those of built-in losses do."""
    if not isinstance(value, Mapping):
        return value
    kind: str = value["kind"]
    named: Any = dict.__class_getitem__((str, LOSSES[kind]))
    return TypeAdapter(named).validate_python({kind: dict(value)})[kind]


_Tagged = (
    Annotated[CrossEntropy, Tag("cross_entropy")] | Annotated[BinaryCrossEntropy, Tag("bce")]
    | Annotated[MeanSquaredError, Tag("mse")] | Annotated[MeanAbsoluteError, Tag("l1")] | Annotated[Huber, Tag("huber")]
    | Annotated[OwnLoss, BeforeValidator(_of_plugin), Tag(_PLUGIN)]
)
Losses = Annotated[
    dict[str, Annotated[_Tagged, Discriminator(_tag)]], BeforeValidator(_losses), _AsWritten(),
]


def written(losses: Mapping[str, Loss]) -> Any:
    """The losses as a spec writes them, defaults left out."""
    texts = {output: _written(loss) for output, loss in losses.items()}
    return texts.get(ONLY, texts)


def _written(loss: Loss) -> Any:
    fields = type(loss).model_dump(loss, mode="json", exclude_defaults=True, exclude={"kind"})
    return {loss.kind: fields} if fields else loss.kind


def metrics_of(losses: Mapping[str, Loss]) -> tuple[str, ...]:
    """The metrics of the first output; the first of them is the one that decides."""
    return next(iter(losses.values())).metrics


def smoothing_of(loss: Loss, default: float) -> float:
    """The label smoothing of a loss: its own, else the recipe's, of a loss with labels."""
    own = loss.label_smoothing if isinstance(loss, _Labelled) else 0.0
    return default if own is None else own


def weights_of(loss: Loss) -> tuple[float, ...] | None:
    """The class weights that a recipe gives as numbers."""
    weights = loss.class_weights if isinstance(loss, CrossEntropy | BinaryCrossEntropy) else None
    return weights if isinstance(weights, tuple) else None
