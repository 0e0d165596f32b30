"""The `train` section of a spec: what a training run is, apart from the machine that it runs on."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from archspec.language.extras import Augmenting, DataName, Stopping, Validation
from archspec.language.finetuning import Frozen, Init, Initialisation, Recomputed, Scales
from archspec.language.loss import DEFAULT as CROSS_ENTROPY
from archspec.language.loss import Losses, metrics_of, written
from archspec.language.schedule import Constant, OneCycle, Schedule, Warmup, WarmupLength
from archspec.language.section import Section, crossed

OptimizerName = Literal["sgd", "adam", "adamw"]

# Which of a recipe's fields each optimizer takes beside `lr`, with PyTorch's names and meanings.
OPTIMIZER_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "sgd": frozenset({"momentum", "nesterov", "weight_decay"}),
    "adam": frozenset({"betas", "eps", "weight_decay"}),
    "adamw": frozenset({"betas", "eps", "weight_decay"}),
}
ANY_OPTIMIZER: Final = frozenset[str]().union(*OPTIMIZER_FIELDS.values())

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Decay = Annotated[float, Field(ge=0, lt=1)]


def _per_channel(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (value,)
    if isinstance(value, (list, tuple)) and value:
        return tuple(value)
    raise PydanticCustomError("recipe_value", "must be a number, or a list with one for each channel")


def _numbers_schema(number: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [number, {"type": "array", "items": number, "minItems": 1}]})


Finite = Annotated[float, Field(allow_inf_nan=False)]
Numbers = Annotated[
    tuple[Finite, ...], BeforeValidator(_per_channel), _numbers_schema({"type": "number"})
]
PositiveNumbers = Annotated[
    tuple[Positive, ...], BeforeValidator(_per_channel),
    _numbers_schema({"type": "number", "exclusiveMinimum": 0}),
]


class Normalisation(Section):
    """Inputs become (pixel / 255 - mean) / std; one number stands for every channel."""

    mean: Numbers = Field(description="mean of each channel, pixels scaled to 0…1")
    std: PositiveNumbers = Field(description="standard deviation of each channel, pixels scaled to 0…1")

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.mean) != len(self.std):
            raise crossed(
                "normalize", "has {means} means and {stds} standard deviations",
                means=len(self.mean), stds=len(self.std),
            )
        return self


class Recipe(Section):
    """How a network is trained: the spec's `train` section, or one of its `recipes` applied to it.

    An epoch is one pass over the shuffled training set. It includes the last batch, however
    small, unless that is a single image and the network has batch norm over vectors. Images are resized to the spec's
    `input` and scaled to 0…1.
    """

    data: DataName = Field(
        description="data set: fashion-mnist, mnist, cifar10, cifar100, digits, a folder of images (`folder:PATH`), or "
                    "images with a table of targets (`table:FILE.csv`, or {table: …, image: …, target: …, split: …})",
    )
    lr: Positive = Field(
        examples=[0.1], description="learning rate; the highest one, if a schedule or warm-up changes it"
    )
    batch_size: Annotated[int, Field(ge=1)] = Field(
        64, description="images that go through the network at once; without `accumulate` also the images per step"
    )
    accumulate: Annotated[int, Field(ge=1)] = Field(
        1, description="number of batches whose gradients are added up in a step: the update is that of "
        "`batch_size` × `accumulate` images, in the memory of `batch_size`"
    )
    epochs: Annotated[int, Field(ge=1)] = Field(10, description="passes over the training set")
    optimizer: OptimizerName = Field("sgd", description="update rule")
    momentum: Decay = Field(0.0, examples=[0.9], description="sgd: share of the last update that is kept")
    nesterov: bool = Field(False, description="sgd: look ahead along the momentum")
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, examples=[5e-4], description="L2 penalty on every parameter (sgd, adam), or decoupled decay (adamw)"
    )
    decay_norm_and_bias: bool = Field(
        True, description="false: no weight decay for biases and the parameters of norms and layer scales"
    )
    betas: Annotated[tuple[Decay, Decay], Field(strict=False)] = Field(
        (0.9, 0.999), description="adam, adamw: decay of the running mean and of the running square"
    )
    eps: Positive = Field(1e-8, description="adam, adamw: added to the root of the running square")
    schedule: Schedule = Field(
        Constant(), description="how the rate changes: constant, {step: EPOCHS}, cosine or one_cycle"
    )
    warmup: Warmup = Field(
        WarmupLength(epochs=0), examples=[5], description="warm-up: epochs during which the rate rises, or {steps: N}"
    )
    init: Init = Field(
        Initialisation(), description="initialisation of the parameters: one rule, or {weights: …, biases: …}; "
        "{from: SOURCE} starts from trained weights"
    )
    freeze: Frozen | None = Field(
        None, description="stages or layers whose parameters and running statistics stay as they are: [stem, layer1]"
    )
    lr_scale: Scales | None = Field(
        None, description="factors of the learning rate of stages or layers: {head: 10}; if several contain a "
        "parameter, the longest name counts"
    )
    recompute: Recomputed | None = Field(
        None, description="stages, or parts of them, that keep only their inputs for the backward pass and run a "
        "second time there (activation checkpointing): less memory, the same results: [b1, b2.0–b2.4]"
    )
    normalize: Normalisation | None = Field(
        None, description="normalisation: {mean: …, std: …} of pixels scaled to 0…1"
    )
    loss: Losses = Field(
        CROSS_ENTROPY, description="what is minimised: cross_entropy, bce, mse, l1 or huber, a loss with its fields, "
                                   "or a mapping from outputs to losses",
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, examples=[0.1], description="share of each training label that is distributed over all outputs (Szegedy "
        "et al. 2015, section 7)"
    )
    clip_grad_norm: Positive | None = Field(
        None, examples=[1.0], description="upper limit for the norm of the gradient of all parameters together"
    )
    ema: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, examples=[0.999], description="decay of a moving average of the weights, which is tested and saved "
        "instead of the weights, for example 0.999"
    )
    augment: Augmenting | None = Field(
        None, description="augmentation of training images: [random_crop: 4, horizontal_flip: 0.5, random_erase: 0.25]"
    )
    mixup: Positive | None = Field(
        None, examples=[0.2], description="images are mixed in pairs by shares of Beta(mixup, mixup) (Zhang et al. "
        "2017); usually 0.2"
    )
    cutmix: Positive | None = Field(
        None, examples=[1.0], description="a box of one image is put into another, its area of Beta(cutmix, cutmix) "
        "(Yun et al. 2019); with mixup too, each step draws one of the two"
    )
    validation: Validation | None = Field(
        None, examples=[0.1], description="the images for choosing the best epoch and for early stopping: a share of "
        "the training images (0.1), a number of them (5000), `val` for the folder's `val/`, or `test` for no separate "
        "set; default: a folder's `val/` beside `test/`, otherwise a tenth if there is `early_stopping`, otherwise "
        "`test`"
    )
    early_stopping: Stopping | None = Field(
        None, examples=[5], description="epochs without improvement that end the run, or {patience: …, metric: …, "
        "min_delta: …}"
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        0, description="seed of initialisation, order, augmentation and dropout"
    )

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        for name in sorted(self.model_fields_set & (ANY_OPTIMIZER - OPTIMIZER_FIELDS[self.optimizer])):
            owners = [owner for owner, fields in OPTIMIZER_FIELDS.items() if name in fields]
            raise crossed(
                name, "{optimizer} takes no `{field}`, which belongs to {owners}",
                optimizer=self.optimizer, owners=" and ".join(owners),
            )
        if self.validation == "val" and not self.data.startswith(("folder:", "table:")):
            raise crossed(
                "validation", "`validation: val` needs a folder of images, {data} has no `val`: write a share (0.1)",
                data=self.data[:80],
            )
        if self.label_smoothing and not any(loss.labelled for loss in self.loss.values()):
            raise crossed(
                "label_smoothing", "label_smoothing needs a loss with labels, cross_entropy or bce; the loss is {loss}",
                loss=", ".join(loss.kind for loss in self.loss.values()),
            )
        metric = None if self.early_stopping is None else self.early_stopping.metric
        if metric not in (None, "loss", *metrics_of(self.loss)):
            raise crossed(
                "early_stopping", "`metric: {metric}` does not go with the loss {loss}, which has {known}",
                metric=metric, loss=next(iter(self.loss.values())).kind, known=" and ".join(metrics_of(self.loss)),
            )
        if self.nesterov and not self.momentum:
            raise crossed("nesterov", "nesterov needs a momentum above 0")
        if not (self.decay_norm_and_bias or self.weight_decay):
            raise crossed("decay_norm_and_bias", "decay_norm_and_bias: false needs a weight_decay above 0")
        if isinstance(self.schedule, OneCycle) and (self.warmup.epochs or self.warmup.steps):
            raise crossed("warmup", "one_cycle has its own warm-up: remove `warmup`, or set `peak`")
        if (self.warmup.epochs or 0) > self.epochs:
            raise crossed(
                "warmup", "a warm-up of {warmup} epochs is longer than the run of {epochs}",
                warmup=f"{self.warmup.epochs:g}", epochs=self.epochs,
            )
        return self

    def __hash__(self) -> int:
        """Of all fields; a mapping counts by its items."""
        fields = vars(self).values()
        return hash(tuple(tuple(value.items()) if isinstance(value, dict) else value for value in fields))

    @property
    def images_per_step(self) -> int:
        """Images per step, over all processes; the last step of an epoch may have fewer."""
        return self.batch_size * self.accumulate

    def to_data(self, *, defaults: bool = True) -> dict[str, Any]:
        """The recipe as a spec writes it; fields of other optimizers are left out, and defaults unless wanted.

        The kind of the schedule always stands there. What came after the first releases stands there unless it is the
        default: earlier runs have not noted it.
        """
        left = ANY_OPTIMIZER - OPTIMIZER_FIELDS[self.optimizer]
        dump = partial(
            BaseModel.model_dump, mode="json", by_alias=True, exclude_none=True, exclude_defaults=not defaults
        )
        exclude: dict[str, Any] = dict.fromkeys((*left, "schedule", "loss"), True)
        if self.accumulate == 1:
            exclude["accumulate"] = True
        if self.init.source is None:
            exclude["init"] = {"strict"}
        data, fields = dump(self, exclude=exclude), dump(self.schedule, exclude={"kind"})
        if self.loss != CROSS_ENTROPY:
            data["loss"] = written(self.loss)
        return data | {"schedule": {self.schedule.kind: fields} if fields else self.schedule.kind}


def merge_recipe(base: Mapping[str, Any] | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe `base` with `changes` laid over it, key by key; both as plain data, before validation.

    Each value is replaced whole, and None removes it, so that its default holds again. Where `changes`
    names another optimizer, those fields of `base` that the new one does not take stay behind:
    `{optimizer: adam}` over an sgd with momentum is a plain adam.
    """
    merged = dict(base or {})
    left = other_optimizers_fields(merged.get("optimizer"), changes.get("optimizer"))
    merged = {key: value for key, value in merged.items() if key not in left} | dict(changes)
    return {key: value for key, value in merged.items() if value is not None}


def other_optimizers_fields(before: object, chosen: object) -> frozenset[str]:
    """The fields that the optimizer `chosen` does not take, if it is another than `before`; None is SGD."""
    if not isinstance(chosen, str) or chosen not in OPTIMIZER_FIELDS or chosen == (before or "sgd"):
        return frozenset()
    return ANY_OPTIMIZER - OPTIMIZER_FIELDS[chosen]


def kept_states(recipe: Recipe) -> int:
    """How many copies of the parameters the optimizer and the average of the weights keep."""
    states = 2 if recipe.optimizer != "sgd" else int(recipe.momentum > 0)
    return states + (recipe.ema is not None)
