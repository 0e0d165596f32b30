"""Random layers for values of a known rank. Most fit the value that flows; some do not, which is a near miss."""

from __future__ import annotations

from random import Random
from typing import Any

Layer = Any
PLAIN = ["relu", "relu6", "sigmoid", "tanh", "elu", "gelu", "silu", "mish", "hardswish", "hardsigmoid", "leaky_relu", "abs", "identity"]


class Layers:
    """Draws single layers. It does not follow sizes: the checker says what fits."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def pick(self, *options: Any) -> Any:
        return self.random.choice(options)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def dropped(self) -> Layer:
        return self.pick({"dropout": 0.5}, {"dropout": 0.0}, {"stochastic_depth": {"p": 0.3}})

    def activation(self) -> Layer:
        return self.pick(*PLAIN, {"prelu": 1}, {"scale": 0.5})

    def padded(self, *kernels: int) -> dict[str, Any]:
        """A kernel size, with padding that often keeps the size."""
        kernel = self.pick(*kernels)
        return {"kernel_size": kernel, "padding": kernel // 2 if self.chance(0.8) else 0}

    def image(self) -> Layer:
        channels = self.pick(2, 4, 4, 4, 8)
        conv = {"out_channels": channels, **self.padded(1, 3, 3, 5), "bias": self.chance(0.5)}
        return self.pick(
            *[{"conv2d": conv}] * 5, "batch_norm2d", "relu", {"conv2d": {**conv, "groups": self.pick(1, 2), "stride": self.pick(1, 1, 2)}},
            {"conv2d": {**conv, "padding": self.pick("same", "valid")}},
            {"conv2d": {**conv, "padding_mode": self.pick("reflect", "replicate", "circular")}},
            {"conv_transpose2d": {"out_channels": channels, **self.padded(2, 3), "stride": self.pick(1, 2)}},
            {"max_pool2d": {**self.padded(2, 3), "stride": self.pick(1, 2), "ceil_mode": self.chance(0.3)}},
            {"avg_pool2d": {**self.padded(2, 3), "stride": self.pick(1, 2), "ceil_mode": self.chance(0.3)}},
            {"adaptive_avg_pool2d": self.pick(1, 2, 3, [2, 3])}, {"adaptive_max_pool2d": self.pick(1, 2, 3)},
            {"batch_norm2d": {"affine": self.chance(0.8), "track_running_stats": self.chance(0.8)}}, "batch_norm2d",
            {"group_norm": {"num_groups": self.pick(1, 2)}}, {"instance_norm2d": {"affine": self.chance(0.5)}},
            {"local_response_norm": {"size": 3}}, {"layer_scale": {}}, {"dropout2d": 0.4},
            {"interpolate": {"scale_factor": 2, "mode": self.pick("nearest", "bilinear")}}, {"channel_shuffle": 2},
            {"upsample": {"size": self.pick(4, [3, 5]), "mode": self.pick("nearest", "bicubic")}},
            {"pixel_shuffle": 2}, {"pixel_unshuffle": 2}, {"zero_pad2d": self.pick(1, [1, 0, 2, 1])}, self.split(),
            {"roll": {"shifts": [1], "dims": [2]}}, {"softmax": {"dim": 1}}, {"permute": self.pick([0, 1, 3, 2], [0, 2, 3, 1])},
            {"slice": {"dim": 2, "start": 0, "end": self.pick(2, 3)}}, self.activation(), self.activation(), self.activation(),
            {"sequential": [{"permute": [0, 2, 3, 1]}, self.windows(), {"permute": [0, 3, 1, 2]}]},
            {"sequential": [{"flatten": 2}, {"permute": [0, 2, 1]}, {"multi_head_attention": {"num_heads": 2}}, {"permute": [0, 2, 1]},
                            {"reshape": [4, 2, -1]}]},
        )

    def windows(self) -> Layer:
        return {"window_attention": {"num_heads": self.pick(1, 2), "window_size": self.pick(2, [2, 3]), "shift_size": self.pick(0, 1)}}

    def split(self) -> Layer:
        return {"chunk": {"chunks": 2, "index": self.pick(0, 1), "dim": 1}}

    def sequence(self) -> Layer:
        """For (length, 8), or channels and length."""
        return self.pick(
            {"linear": self.pick(4, 8, 8)}, "layer_norm", {"layer_norm": {"elementwise_affine": False}}, self.activation(),
            {"multi_head_attention": {"num_heads": self.pick(1, 2), "dropout": self.pick(0.0, 0.1)}}, {"softmax": {"dim": -1}},
            {"multi_head_attention": {"num_heads": 2, "causal": True}}, {"roll": {"shifts": [1], "dims": [1]}},
            {"add": {"a": [], "b": [{"parameter": {"shape": self.pick([1, 8], [8]), "init": "zeros"}}]}}, {"permute": [0, 2, 1]},
            {"slice": {"dim": 1, "start": 0, "end": 3}}, {"conv1d": {"out_channels": 4, **self.padded(1, 3)}}, self.activation(),
            {"pad": [0, 0, 1, 1]}, self.split(), {"matmul": {"a": [], "b": [{"linear": 8}, {"permute": [0, 2, 1]}]}},
            {"attention": {"query": [{"linear": 8}], "key": [{"linear": 8}], "value": []}}, {"linear": {"out_features": 8, "bias": False}},
            {"conv_transpose1d": {"out_channels": 4, **self.padded(2, 3), "stride": self.pick(1, 2)}}, "instance_norm1d", "batch_norm1d",
            {self.pick("max_pool1d", "avg_pool1d"): {"kernel_size": 2}}, {self.pick("adaptive_avg_pool1d", "adaptive_max_pool1d"): 3},
            {"zero_pad1d": 1}, {"sequential": [{"stack": {"a": [], "b": [self.activation()], "dim": 1}}, {"max": {"dim": 1}}]},
        )

    tokens = sequence

    def vector(self) -> Layer:
        return self.pick({"linear": self.pick(3, 6, 8)}, {"linear": {"out_features": 4, "bias": False}}, "batch_norm1d", "layer_norm",
                         self.activation(), self.activation(), {"softmax": {"dim": 1}}, {"log_softmax": {"dim": 1}}, self.split(),
                         {"reshape": [2, -1]}, {"sequential": [{"reshape": [2, -1]}, self.activation(), {"select": {"dim": 1, "index": 0}}]})

    def volume(self) -> Layer:
        return self.pick(
            {"conv3d": {"out_channels": 4, **self.padded(1, 3)}}, "batch_norm3d", {"max_pool3d": 2}, self.activation(),
            {"avg_pool3d": 2}, {"adaptive_avg_pool3d": self.pick(1, 2)}, {"adaptive_max_pool3d": 2}, {"zero_pad3d": 1},
            {"conv_transpose3d": {"out_channels": 2, **self.padded(2, 3), "stride": self.pick(1, 2)}},
            {"instance_norm3d": {"affine": self.chance(0.5)}}, {"group_norm": {"num_groups": 2}}, self.activation(),
        )
