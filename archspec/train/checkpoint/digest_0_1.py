"""The fields of archspec 0.1, whose digests covered all of them; needed to resume its runs.

This file never changes. Fields and ops that are missing here are newer: a run of 0.1 has their default, or no such op.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_OPS: Final = {
    "leaky_relu": "negative_slope",
    "prelu": "num_parameters init",
    "elu": "alpha",
    "gelu": "approximate",
    "batch_norm2d": "eps momentum affine track_running_stats",
    "batch_norm1d": "eps momentum affine track_running_stats",
    "conv2d": "out_channels kernel_size stride padding dilation groups bias padding_mode",
    "conv_transpose2d": "out_channels kernel_size stride padding dilation output_padding groups bias",
    "dropout": "p",
    "dropout2d": "p",
    "stochastic_depth": "p mode",
    "linear": "out_features bias",
    "concat": "dim",
    "layer_norm": "normalized_shape eps elementwise_affine bias",
    "group_norm": "num_groups eps affine",
    "instance_norm2d": "eps momentum affine track_running_stats",
    "local_response_norm": "size alpha beta k",
    "layer_scale": "init_value dim",
    "max_pool2d": "kernel_size stride padding ceil_mode dilation",
    "avg_pool2d": "kernel_size stride padding ceil_mode count_include_pad",
    "adaptive_avg_pool2d": "output_size",
    "adaptive_max_pool2d": "output_size",
    "interpolate": "size scale_factor mode align_corners",
    "upsample": "size scale_factor mode align_corners",
    "zero_pad2d": "padding",
    "flatten": "start_dim end_dim",
    "reshape": "shape",
    "permute": "dims",
    "chunk": "chunks dim index",
    "select": "dim index",
    "channel_shuffle": "groups",
    "pixel_shuffle": "upscale_factor",
    "pixel_unshuffle": "downscale_factor",
    "softmax": "dim",
    "log_softmax": "dim",
}
_RECIPE: Final = frozenset("""
    data lr batch_size epochs optimizer momentum nesterov weight_decay decay_norm_and_bias betas eps schedule warmup
    init normalize label_smoothing clip_grad_norm ema augment mixup cutmix early_stopping seed
""".split())
_SECTIONS: Final = {
    "warmup": "epochs steps",
    "init": "weights biases",
    "normalize": "mean std",
    "augment": "horizontal_flip random_crop random_erase",
    "early_stopping": "patience metric min_delta",
}
_SCHEDULES: Final = {
    "step": "every at factor",
    "cosine": "final",
    "one_cycle": "peak start final",
}
_METRICS: Final = {"accuracy": "test_accuracy", "loss": "test_loss"}


def old_fields(op: str, fields: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an op that 0.1 had, and the newer ones in `chosen`, whose values are not the default."""
    return _old(fields, chosen, _OPS.get(op, ""))


def old_recipe(data: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a recipe, with the names that values had in 0.1."""
    old = {key: value for key, value in data.items() if key in _RECIPE or key in chosen}
    for name, fields in _SECTIONS.items():
        if name in old:
            old[name] = _old(old[name], chosen.get(name, {}), fields)
    if isinstance(old["schedule"], dict):
        ((kind, fields),) = old["schedule"].items()
        (choices,) = chosen["schedule"].values() if isinstance(chosen["schedule"], dict) else ({},)
        old["schedule"] = {kind: _old(fields, choices, _SCHEDULES[kind])}
    if "early_stopping" in old:
        old["early_stopping"]["metric"] = _METRICS.get(metric := old["early_stopping"]["metric"], metric)
    return old


def _old(fields: Mapping[str, Any], chosen: Mapping[str, Any], known: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key in known.split() or key in chosen}
