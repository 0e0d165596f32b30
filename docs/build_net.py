"""A residual network of any depth and width, built in a loop. docs/python.md shows it."""

from archspec import ArchSpec, Body, Layer
from archspec.ops import Add, BatchNorm2d, Conv2d, Flatten, GlobalAvgPool2d, Linear, Operation, ReLU


def conv(channels: int, stride: int = 1) -> list[Operation]:
    """A 3×3 convolution with batch norm."""
    return [Conv2d(out_channels=channels, kernel_size=3, stride=stride, padding=1, bias=False), BatchNorm2d()]


def residual(channels: int, stride: int) -> Layer:
    """Two convolutions beside a shortcut."""
    main = [*conv(channels, stride), ReLU(), *conv(channels)]
    skip = [Conv2d(out_channels=channels, kernel_size=1, stride=stride)] if stride > 1 else []
    return Layer(kind=Add(), branches={"main": main, "skip": skip})


def network(widths: list[int], blocks: int = 2) -> ArchSpec:
    """A stage for each width; all but the first halve the image."""
    stages: dict[str, Body] = {"stem": [*conv(widths[0]), ReLU()]}
    for k, width in enumerate(widths):
        strides = [1 if k == 0 else 2] + [1] * (blocks - 1)
        stages[f"body{k}"] = [residual(width, stride) for stride in strides]
    stages["head"] = [GlobalAvgPool2d(), Flatten(), Layer(kind=Linear(out_features=10), comment="digits")]
    return ArchSpec(
        name="residual", input=[1, 28, 28], stages=stages, expect={"output": [10]},
        train={"data": "fashion-mnist", "lr": 0.1, "epochs": 5, "schedule": "cosine"},
        comments={"stages": f"{blocks} blocks for each of {len(widths)} widths"},
    )
