"""Random networks from a seed: every kind of layer, nested branches, repeats, shared weights, several inputs and outputs.

A drawn layer usually fits the value that flows, and sometimes does not: whoever draws skips or keeps such near misses.
"""

from __future__ import annotations

from typing import Any

from archspec.api.examination import examine
from tests.fuzz.draw_layers import Layer, Layers

HEADS: dict[str, list[Layer]] = {
    "image": ["global_avg_pool2d", "flatten"], "volume": ["global_avg_pool3d", "flatten"], "vector": [],
    "sequence": [{"mean": {"dim": 1}}], "tokens": [{"mean": {"dim": 1}}],
}


class Drawing(Layers):
    """Draws whole networks. It does not follow sizes either."""

    def network(self) -> dict[str, Any]:
        """A spec as data: up to three inputs and a vector beside them, up to ten stages, up to three outputs."""
        kind = self.random.choices(["image", "sequence", "tokens", "vector", "volume"], [6, 2, 1, 1, 1])[0]
        self.named = 0
        stages: dict[str, Any] = {}
        inputs, kind = self.inputs(kind, stages)
        for k in range(self.random.randint(1, 4)):
            stages[f"s{k}"] = self.stage(kind, k, [*stages])
        if kind == "tokens" and isinstance(inputs, dict) and "words" in inputs:
            stages["s0"] = [self.embedding(), *stages["s0"]]
        last = [name for name in stages if name.startswith("s")][-1]
        ends = [name for name in stages if self.chance(0.15)][:2]
        for name in ends:
            stages[f"of_{name}"] = [*self.from_(self.head(kind), name), {"linear": 3}]
        stages["head"] = self.from_(self.head(kind), last)
        if self.chance(0.12):
            inputs = {**(inputs if isinstance(inputs, dict) else {"x": inputs}), "beside": [3]}
            stages["head"].append({"concat": {"a": [], "b": [{"linear": 4, "from": "beside"}]}})
            first = next(iter(stages))
            if first == "s0":
                stages[first] = self.from_(stages[first], next(iter(inputs)))
        stages["head"].append({"linear": 5})
        return {"archspec": 1, "input": inputs, "stages": stages, **self.outputs(ends, last)}

    def outputs(self, ends: list[str], last: str) -> dict[str, Any]:
        """What it returns, where that is not its head alone: further heads, or a value within the network."""
        found = {f"of_{name}": self.pick("always", "training") for name in ends}
        if self.chance(0.08):
            found[last] = self.pick("always", "training")
        return {"outputs": {"head": "always", **found}} if found else {}

    def inputs(self, kind: str, stages: dict[str, Any]) -> tuple[Any, str]:
        """One input; or two or three, each through layers of its own or those of the first, joined by the stage s.

        Returns them, and the kind of value that comes out.
        """
        first = self.input(kind)
        if not self.chance(0.25):
            return ({"words": first} if kind == "tokens" else first), kind
        names = ["left", "right", "third"][: self.pick(2, 2, 3)]
        for k, name in enumerate(names):
            layers = [*([self.embedding()] if kind == "tokens" else []), *self.layers(kind, 1)]
            stages[f"input_{k}"] = [{"share": "input_0", "from": name}] if k and self.chance(0.5) else self.from_(layers, name)
        merge, late = self.pick("add", "concat", "mul", *(["sub", "div"] if len(names) == 2 else [])), self.chance(0.6)
        ends: list[Layer] = self.head(kind) if late else []
        branches = {name: self.from_(ends, f"input_{k}") if ends else {"from": f"input_{k}"} for k, name in enumerate(names)}
        stages["s"] = [{"concat" if late else merge: branches}, *self.layers("vector" if late else kind, 2)]
        shapes = {name: first if self.chance(0.85) else self.input(kind) for name in names}
        return shapes, "vector" if late else kind

    @staticmethod
    def embedding() -> Layer:
        return {"embedding": {"num_embeddings": 9, "embedding_dim": 8}}

    def head(self, kind: str) -> list[Layer]:
        """The layers that give a vector."""
        if self.chance(0.15) and kind in ("image", "volume"):
            return [f"global_max_pool{'2d' if kind == 'image' else '3d'}", "flatten"]
        return HEADS[kind]

    @staticmethod
    def from_(layers: list[Layer], name: str) -> list[Layer]:
        """The same layers, the first of which takes its input from a stage or an input."""
        if not layers or (isinstance(layers[0], dict) and "from" in layers[0]):
            return [{"identity": {}, "from": name}, *layers]
        first = layers[0]
        return [{**({first: {}} if isinstance(first, str) else first), "from": name}, *layers[1:]]

    def input(self, kind: str) -> Any:
        size = self.random.randint
        return {
            "image": [self.pick(1, 2, 3, 4), size(5, 12), size(5, 12)], "vector": [size(2, 9)],
            "sequence": [size(2, 7), 8], "volume": [2, size(3, 6), size(3, 6), size(3, 6)],
            "tokens": {"shape": [size(2, 7)], "dtype": "int64", "below": 9},
        }[kind]

    def stage(self, kind: str, k: int, earlier: list[str]) -> list[Layer]:
        layers = self.layers(kind, 0)
        if k and self.chance(0.25):  # a skip from an earlier stage
            layers.append({self.pick("add", "concat", "mul"): {"a": self.layers(kind, 1), "b": {"from": self.pick(*earlier)}}})
        if k and self.chance(0.25):
            layers.append({"share": self.pick(*earlier)})
        return layers

    def layers(self, kind: str, depth: int) -> list[Layer]:
        """Some layers, one of which may run a second time."""
        layers = [self.layer(kind, depth) for _ in range(self.random.randint(1, 5 - depth))]
        again = next((k for k, layer in enumerate(layers) if isinstance(layer, dict) and "conv" in next(iter(layer))), None)
        if again is not None and self.chance(0.15):
            self.named += 1
            layers[again] = {**layers[again], "name": f"layer{self.named}"}
            layers.insert(self.random.randint(again + 1, len(layers)), {"share": f"layer{self.named}"})
        return layers

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
        if len(branches) == 2 and self.chance(0.2):
            return {self.pick("sub", "div"): branches}
        return {self.pick("add", "concat", "mul", "add"): branches}


LARGEST = 1 << 26  # bytes of the outputs of an image, and a tenth of its multiply-adds


def valid_network(seed: int) -> tuple[dict[str, Any], Any]:
    """A network without mistakes: layers that do not fit are taken out one after another. Its data and its graph.

    Repeated transposed convolutions can grow beyond any memory: instead of such a network it is another one.
    """
    data = Drawing(seed).network()
    while True:
        found = examine(data)
        if found.loaded is not None and not found.errors:
            report = found.loaded.report
            if max(report.macs / 10, report.activation_bytes) > LARGEST:
                return valid_network(seed + 1_000_003)
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
