"""The module for a node that uses the weights of another node."""

from __future__ import annotations

from typing import Any

from torch import nn
from typing_extensions import override


class Again(nn.Module):
    """Runs another module again, with its weights, which are parameters of that module only."""

    owner: nn.Module

    def __init__(self, owner: nn.Module) -> None:
        super().__init__()
        self.__dict__["owner"] = owner  # not registered, so that state_dict has each weight once

    @override
    def forward(self, *inputs: Any) -> Any:
        return self.owner(*inputs)

    @override
    def extra_repr(self) -> str:
        return type(self.owner).__name__
