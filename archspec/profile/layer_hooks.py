"""Hooks that give the time of every layer's forward and backward pass to that layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import Node

from archspec.backends.again import Again
from archspec.backends.built import layers
from archspec.profile.autograd import backward_nodes, nodes_of
from archspec.profile.timeline import BACKWARD, FORWARD, MEASURING, Part, Timeline


@contextmanager
def timed_layers(model: nn.Module, timeline: Timeline) -> Iterator[None]:
    """Within the block every layer of `model` switches `timeline` to its own parts, and back to what is between layers.

    Layers that use the weights of others have parts of their own. All hooks are removed at the end.
    """
    names = {id(module): path for path, module in model.named_modules()}
    runs = _Runs()
    with ExitStack() as hooks:
        for path, module in model.named_modules():
            if isinstance(module, Again):
                prefixes = (names[id(module.owner)], path)
                hooks.callback(module.register_forward_pre_hook(runs.entering(prefixes)).remove)
                hooks.callback(module.register_forward_hook(runs.leave, always_call=True).remove)
        for layer in layers(model):
            hook = _Hook(layer.path, runs, timeline)
            hooks.callback(layer.module.register_forward_pre_hook(hook.enter).remove)
            hooks.callback(layer.module.register_forward_hook(hook.leave, always_call=True).remove)
        yield


class _Runs:
    """Which node runs the weights of another, while it does."""

    def __init__(self) -> None:
        self._prefixes: list[tuple[str, str]] = []

    def entering(self, prefixes: tuple[str, str]) -> Callable[..., None]:
        """A hook for the module at the second of two paths, which runs the module at the first."""

        def enter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            self._prefixes.append(prefixes)

        return enter

    def leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """The hook after it."""
        self._prefixes.pop()

    def path(self, path: str) -> str:
        """The path of the node that runs the layer at `path` now."""
        for owner, user in reversed(self._prefixes):
            if path == owner or path.startswith(f"{owner}."):
                path = user + path[len(owner):]
        return path


class _Hook:
    """The hooks of one layer."""

    def __init__(self, path: str, runs: _Runs, timeline: Timeline) -> None:
        self._path, self._runs, self._timeline = path, runs, timeline
        self._before: list[set[Node]] = []

    def enter(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Called before the forward pass of the layer."""
        self._timeline.switch(MEASURING)
        self._before.append(nodes_of(inputs))
        self._timeline.switch(Part("forward", self._runs.path(self._path)))

    def leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Called after it, even if it raised."""
        self._timeline.switch(MEASURING)
        nodes = backward_nodes(self._before.pop(), output)
        if nodes:
            enter, leave = self._backward(Part("backward", self._runs.path(self._path)))
            for node in nodes:
                node.register_prehook(enter)
                node.register_hook(leave)
        self._timeline.switch(FORWARD)

    def _backward(self, part: Part) -> tuple[Callable[..., None], Callable[..., None]]:
        switch = self._timeline.switch

        def enter(gradients: tuple[Tensor, ...]) -> None:
            switch(part)

        def leave(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> None:
            switch(BACKWARD)

        return enter, leave
