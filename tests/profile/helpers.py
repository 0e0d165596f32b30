"""A small network with every kind of sub-graph, and clocks that tell what a test wants."""

from itertools import pairwise

from archspec.api import load

TINY = {
    "archspec": 1, "name": "tiny", "input": [1, 8, 8],
    "stages": {
        "stem": [{"conv2d": {"out_channels": 4, "kernel_size": 3, "padding": 1}}, "batch_norm2d", "relu"],
        "mix": {"concat": {"left": [{"conv2d": {"out_channels": 3, "kernel_size": 1}}, "relu"], "right": []}},
        "again": {"sequential": [{"add": {"main": [{"conv2d": {"out_channels": 7, "kernel_size": 1}}], "skip": []}}],
                  "repeat": 2},
        "head": ["global_avg_pool2d", "flatten", {"dropout": 0.5}, {"linear": 10}],
    },
}


def spec(*, name="tiny", input=(1, 8, 8), **stages):
    return load({"archspec": 1, "name": name, "input": list(input), "stages": stages})


def tiny():
    return load(TINY)


class TickingClock:
    """Each run between two looks takes the next of these seconds; between runs nothing passes."""

    def __init__(self, *durations):
        self.durations = list(durations)
        self.now, self.running = 0.0, False

    def __call__(self):
        if self.running:
            self.now += self.durations.pop(0)
        self.running = not self.running
        return self.now


class SteadyClock:
    """Every look is one tick after the last."""

    def __init__(self, tick):
        self.tick, self.looks = tick, 0

    def __call__(self):
        self.looks += 1
        return self.looks * self.tick


def is_sorted(values):
    return all(a <= b for a, b in pairwise(values))
