"""Random networks from a seed: every shape-changing op, nested branches, repeats, shared weights, several inputs and outputs.

A drawn layer usually fits the value that flows, and sometimes does not: whoever draws skips or keeps such near misses.
"""

from __future__ import annotations

from random import Random
from typing import Any

from archspec.api.examination import examine

Layer = Any
PLAIN = ["relu", "relu6", "sigmoid", "tanh", "elu", "gelu", "silu", "mish", "hardswish", "hardsigmoid", "leaky_relu", "abs", "identity"]


class Drawing:
    """Draws layers for values of a known rank. It does not follow sizes: the checker says what fits."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def pick(self, *options: Any) -> Any:
        return self.random.choice(options)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def network(self) -> dict[str, Any]:
        """A spec as data: up to three inputs, two to five stages, up to three outputs."""
        kind = self.random.choices(["image", "sequence", "tokens", "vector", "volume"], [6, 2, 1, 1, 1])[0]
        stages: dict[str, Any] = {}
        for k in range(self.random.randint(1, 4)):
            stages[f"s{k}"] = self.stage(kind, k, [*stages])
        head = {"image": ["global_avg_pool2d", "flatten"], "volume": ["global_avg_pool3d", "flatten"], "vector": [],
                "sequence": [{"mean": {"dim": 1}}], "tokens": [{"mean": {"dim": 1}}]}[kind]
        data: dict[str, Any] = {"archspec": 1, "input": self.input(kind), "stages": stages}
        if kind == "tokens":
            stages["s0"] = [{"embedding": {"num_embeddings": 9, "embedding_dim": 8}}, *stages["s0"]]
        ends = [name for name in stages if self.chance(0.25)][:1]
        for name in ends:
            stages[f"of_{name}"] = [*self.from_(head, name), {"linear": 3}]
        stages["head"] = [*self.from_(head, [s for s in stages if s.startswith("s")][-1]), {"linear": 5}]
        if ends:
            data["outputs"] = {"head": "always", **{f"of_{name}": self.pick("always", "training") for name in ends}}
        return data

    @staticmethod
    def from_(layers: list[Layer], name: str) -> list[Layer]:
        """The same layers, the first of which takes its input from a stage."""
        if not layers:
            return [{"identity": {}, "from": name}]
        first = layers[0]
        return [{**({first: {}} if isinstance(first, str) else first), "from": name}, *layers[1:]]

    def input(self, kind: str) -> Any:
        size = self.random.randint
        return {
            "image": [self.pick(1, 2, 3, 4), size(5, 12), size(5, 12)], "vector": [size(2, 9)],
            "sequence": [size(2, 7), 8], "volume": [2, size(3, 6), size(3, 6), size(3, 6)],
            "tokens": {"words": {"shape": [size(2, 7)], "dtype": "int64", "below": 9}},
        }[kind]

    def stage(self, kind: str, k: int, earlier: list[str]) -> list[Layer]:
        layers = self.layers(kind, 0)
        if k and self.chance(0.25):  # a skip from an earlier stage
            layers.append({self.pick("add", "concat", "mul"): {"a": self.layers(kind, 1), "b": {"from": self.pick(*earlier)}}})
        return layers

    def layers(self, kind: str, depth: int) -> list[Layer]:
        return [self.layer(kind, depth) for _ in range(self.random.randint(1, 5 - depth))]

    def layer(self, kind: str, depth: int) -> Layer:
        if depth < 2 and self.chance(0.2):
            return self.compound(kind, depth)
        return self.dropped() if self.chance(0.12) else getattr(self, kind)()

    def compound(self, kind: str, depth: int) -> Layer:
        """Branches that are joined, copies of layers with and without shared weights."""
        if self.chance(0.35):
            body = {"sequential": self.layers(kind, depth + 1), "repeat": self.random.randint(1, 3)}
            return body | ({"share": True} if self.chance(0.4) else {})
        branches = {name: self.layers(kind, depth + 1) if self.chance(0.75) else [] for name in self.pick("ab", "abc")}
        if not any(branches.values()):
            branches["a"] = self.layers(kind, depth + 1)
        return {self.pick("add", "concat", "mul", "add"): branches}

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
            {"pixel_shuffle": 2}, {"pixel_unshuffle": 2}, {"zero_pad2d": self.pick(1, [1, 0, 2, 1])},
            {"chunk": {"chunks": 2, "index": self.pick(0, 1)}}, {"roll": {"shifts": [1], "dims": [2]}}, {"softmax": {"dim": 1}},
            {"slice": {"dim": 2, "start": 0, "end": self.pick(2, 3)}}, self.activation(), self.activation(), self.activation(),
        )

    def sequence(self) -> Layer:
        return self.pick(
            {"linear": self.pick(4, 8, 8)}, "layer_norm", {"layer_norm": {"elementwise_affine": False}}, self.activation(),
            {"multi_head_attention": {"num_heads": self.pick(1, 2), "dropout": self.pick(0.0, 0.1)}}, {"softmax": {"dim": -1}},
            {"multi_head_attention": {"num_heads": 2, "causal": True}}, {"roll": {"shifts": [1], "dims": [1]}},
            {"add": {"a": [], "b": [{"parameter": {"shape": self.pick([1, 8], [8]), "init": "zeros"}}]}}, {"permute": [2, 1]}, {"pad": [0, 0, 1, 1]},
            {"slice": {"dim": 1, "start": 0, "end": 3}}, {"conv1d": {"out_channels": 4, **self.padded(1, 3)}}, self.activation(),
        )

    tokens = sequence

    def vector(self) -> Layer:
        return self.pick({"linear": self.pick(3, 6, 8)}, {"linear": {"out_features": 4, "bias": False}}, "batch_norm1d", "layer_norm",
                         self.activation(), self.activation(), {"softmax": {"dim": 1}}, {"log_softmax": {"dim": 1}})

    def volume(self) -> Layer:
        return self.pick({"conv3d": {"out_channels": 4, **self.padded(1, 3)}}, "batch_norm3d", {"max_pool3d": 2}, self.activation(),
                         {"avg_pool3d": 2}, {"adaptive_avg_pool3d": self.pick(1, 2)}, {"conv_transpose3d": {"out_channels": 2, "kernel_size": 2}})


def valid_network(seed: int) -> tuple[dict[str, Any], Any]:
    """A network without mistakes: layers that do not fit are taken out one after another. Its data and its graph."""
    data = Drawing(seed).network()
    while True:
        found = examine(data)
        if found.loaded is not None and not found.errors:
            return data, found.loaded.graph
        if not _without(data, found.errors):
            return valid_network(seed + 1_000_003)


def _without(data: dict[str, Any], errors: Any) -> bool:
    """Remove the layers in which mistakes are, those that are furthest in. Whether anything could be removed."""
    removed = False
    for error in sorted(errors, key=lambda d: [str(step) for step in d.path], reverse=True):
        removed |= _remove(data, [*error.path])
        if removed:
            break
    return removed


def _remove(data: Any, path: list[Any]) -> bool:
    for depth in range(len(path), 0, -1):
        holder = data
        for step in path[: depth - 1]:
            try:
                holder = holder[step]
            except (KeyError, IndexError, TypeError):
                break
        else:
            step = path[depth - 1]
            if isinstance(holder, list) and isinstance(step, int) and step < len(holder) and len(holder) > 1:
                del holder[step]
                return True
    return False
