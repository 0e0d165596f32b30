"""What other libraries and papers call the ops, fields and recipe entries of archspec. An op knows its own aliases."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from archspec.language.message_text import close
from archspec.ops import OPS

_FIELDS: Final = {  # the first that the op has
    "axis": ("dim",), "channels": ("out_channels",), "dilation_rate": ("dilation",), "epsilon": ("eps",),
    "factor": ("scale_factor",), "features": ("out_features",), "filters": ("out_channels",), "k": ("kernel_size",),
    "kernel": ("kernel_size",), "num_filters": ("out_channels",), "out": ("out_channels", "out_features"),
    "pad": ("padding",), "prob": ("p",), "rate": ("p", "dilation"), "s": ("stride",), "scale": ("scale_factor",),
    "size": ("kernel_size", "output_size"), "slope": ("negative_slope",), "strides": ("stride",),
    "units": ("out_features",), "use_bias": ("bias",),
}
_RECIPE: Final = {
    "accumulate_grad_batches": "accumulate", "accumulation": "accumulate", "accumulation_steps": "accumulate",
    "grad_accum": "accumulate", "gradient_accumulation": "accumulate", "gradient_accumulation_steps": "accumulate",
    "frozen": "freeze", "freeze_layers": "freeze", "layer_lr": "lr_scale", "lr_mult": "lr_scale",
    "lr_multipliers": "lr_scale", "activation_checkpointing": "recompute", "checkpoint": "recompute",
    "checkpointing": "recompute", "gradient_checkpointing": "recompute", "remat": "recompute",
    "augmentation": "augment", "bs": "batch_size", "batch": "batch_size", "clip": "clip_grad_norm",
    "clip_grad": "clip_grad_norm", "criterion": "loss", "cutmix_alpha": "cutmix", "dataset": "data", "ema_decay": "ema",
    "grad_clip": "clip_grad_norm", "initialization": "init", "learning_rate": "lr", "lr_schedule": "schedule",
    "lr_scheduler": "schedule", "max_grad_norm": "clip_grad_norm", "mixup_alpha": "mixup", "n_epochs": "epochs",
    "num_epochs": "epochs", "opt": "optimizer", "optim": "optimizer", "patience": "early_stopping",
    "scheduler": "schedule", "smoothing": "label_smoothing", "transforms": "augment", "warmup_epochs": "warmup",
    "wd": "weight_decay", "weight_init": "init",
}


_OPTIONS: Final = {
    "amp": "--precision", "channels_last": "--channels-last", "compile": "--compile", "dtype": "--precision",
    "deterministic": "--deterministic", "device": "--device", "gpu": "--device", "mixed_precision": "--precision",
    "num_workers": "--workers", "precision": "--precision", "resume": "--resume", "threads": "--threads",
    "workers": "--workers",
}
_CHOICES: Final = {  # words that a field takes: in a recipe names of rules, and of the steps of `augment`
    "border": "replicate", "constant": "zeros", "edge": "replicate", "mirror": "reflect", "periodic": "circular",
    "reflection": "reflect", "replication": "replicate", "wrap": "circular",
    "half": "same",  # of `padding`
    "cubic": "bicubic", "nearest_neighbor": "nearest", "nearest_neighbour": "nearest",
    "crop": "random_crop", "cutout": "random_erase", "erase": "random_erase", "flip": "horizontal_flip",
    "acc": "accuracy", "f1_score": "f1", "val_acc": "accuracy", "val_loss": "loss",
    "cos": "cosine", "cosine_annealing": "cosine", "cosineannealinglr": "cosine", "onecyclelr": "one_cycle",
    "steplr": "step",
    "bce_with_logits": "bce", "binary_cross_entropy": "bce", "ce": "cross_entropy", "crossentropy": "cross_entropy",
    "l2": "mse", "mae": "l1", "mean_squared_error": "mse", "nll": "cross_entropy", "smooth_l1": "huber",
    "softmax": "cross_entropy",
    "glorot": "xavier_uniform", "glorot_normal": "xavier_normal", "glorot_uniform": "xavier_uniform",
    "he": "kaiming_normal", "he_normal": "kaiming_normal", "he_uniform": "kaiming_uniform",
    "hflip": "horizontal_flip", "kaiming": "kaiming_normal", "onecycle": "one_cycle",
    "random_erasing": "random_erase", "random_flip": "horizontal_flip",
    "random_horizontal_flip": "horizontal_flip", "xavier": "xavier_uniform",
}
_SEQUENTIAL: Final = frozenset({"body", "layers", "modules", "seq", "nn.sequential"})  # a list of layers


def kind_called(name: str) -> str | None:
    """The op, or list of layers, that is called so elsewhere."""
    wanted = name.lower()
    if wanted in _SEQUENTIAL:
        return "sequential"
    return next((op for op, cls in OPS.items() if wanted in vars(cls).get("aliases", ())), None)


def field_called(name: str, fields: Container[str]) -> str | None:
    """Which of an op's fields is called so elsewhere."""
    return next((field for field in _FIELDS.get(name.lower(), ()) if field in fields), None)


def choice_meant(name: str, known: Iterable[str]) -> str | None:
    """Which of the words that a field takes is called so elsewhere, or is close."""
    names = list(known)
    called = _CHOICES.get(name.lower())
    return called if called in names else close(name, names)


def train_option_called(name: str) -> str | None:
    """The option of `archspec train` for a setting of the machine, which a recipe does not have."""
    return _OPTIONS.get(name.lower())


def recipe_field_called(name: str) -> str | None:
    """The recipe's field that is called so elsewhere."""
    return _RECIPE.get(name.lower())
