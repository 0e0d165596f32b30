"""A recipe as a person writes it, for type checkers and editors. A test compares it with the `Recipe` model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from typing_extensions import TypedDict  # Pydantic reads this one in every Python

Expression: TypeAlias = str  # `$lr`, `$(2 * lr)`
Integer: TypeAlias = int | Expression
Number: TypeAlias = float | Expression
Flag: TypeAlias = bool | Expression
Fields: TypeAlias = Mapping[str, Any]


class RecipeFields(TypedDict, total=False):
    """The `train` section: what a training run is. docs/recipe.md has the meaning and the default of each field."""

    data: str
    lr: Number
    batch_size: Integer
    accumulate: Integer
    epochs: Integer
    optimizer: Literal["sgd", "adam", "adamw"]
    momentum: Number
    nesterov: Flag
    weight_decay: Number
    decay_norm_and_bias: Flag
    betas: Sequence[Number] | Expression
    eps: Number
    schedule: Literal["constant", "cosine", "one_cycle"] | Fields
    warmup: Number | Fields
    init: str | Fields
    freeze: str | Sequence[str]
    lr_scale: Mapping[str, Number]
    recompute: str | Sequence[str]
    normalize: Fields
    loss: str | Fields
    label_smoothing: Number
    clip_grad_norm: Number | None
    ema: Number | None
    augment: Sequence[str | Mapping[str, Number]] | Fields | None
    mixup: Number | None
    cutmix: Number | None
    validation: float | int | str | None
    early_stopping: Integer | Fields | None
    seed: Integer
