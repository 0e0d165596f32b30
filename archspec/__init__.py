"""archspec: a compiler for neural-network architectures.

>>> import archspec
>>> report = archspec.analyze("specs/lenet.yaml")     # shapes and costs, without torch
>>> model = archspec.build("specs/lenet.yaml")        # a torch.nn.Module
"""

from __future__ import annotations

__version__ = "0.2.0"

# Public names and where they live. They are imported when first used, so that `import archspec` costs nothing.
_HOMES = {
    "ArchSpec": "archspec.language.models",
    "Block": "archspec.language.models",
    "Body": "archspec.language.models",
    "Callback": "archspec.train.callbacks",
    "Diagnostic": "archspec.diagnostics",
    "Difference": "archspec.difference",
    "Layer": "archspec.language.models",
    "ImageDataset": "archspec.data.registry",
    "Loaded": "archspec.api",
    "OneLayer": "archspec.language.models",
    "OwnLoss": "archspec.language.loss",
    "Recipe": "archspec.language.recipe",
    "RecipeFields": "archspec.language.recipe_fields",
    "Report": "archspec.analysis",
    "SpecError": "archspec.diagnostics",
    "Template": "archspec.template",
    "Trained": "archspec.train.api",
    "analyze": "archspec.api",
    "build": "archspec.api",
    "check": "archspec.api",
    "diff": "archspec.difference",
    "fit": "archspec.train.api",
    "fits": "archspec.api.capacity",
    "load": "archspec.api",
    "register_dataset": "archspec.data.registry",
    "register_loss": "archspec.language.loss",
    "register_op": "archspec.ops",
    "train": "archspec",  # the package archspec.train, which can be called
}

TYPE_CHECKING = False  # typing itself would take longer to import than all of this
if TYPE_CHECKING:
    from typing import Any

    from archspec.analysis import Report
    from archspec.api import Loaded, analyze, build, check, load
    from archspec.api.capacity import fits
    from archspec.data.registry import ImageDataset, register_dataset
    from archspec.diagnostics import Diagnostic, SpecError
    from archspec.difference import Difference, diff
    from archspec.language.loss import OwnLoss, register_loss
    from archspec.language.models import ArchSpec, Block, Body, Layer, OneLayer
    from archspec.language.recipe import Recipe
    from archspec.language.recipe_fields import RecipeFields
    from archspec.ops import register_op
    from archspec.template import Template
    from archspec.train.api import Trained, fit, train
    from archspec.train.callbacks import Callback

__all__ = [
    "ArchSpec", "Block", "Body", "Callback", "Diagnostic", "Difference", "ImageDataset", "Layer", "Loaded",
    "OneLayer", "OwnLoss", "Recipe", "RecipeFields", "Report", "SpecError", "Template", "Trained", "__version__",
    "analyze", "build", "check", "diff", "fit", "fits", "load", "register_dataset", "register_loss", "register_op",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'archspec' has no attribute {name!r}")
    import importlib

    if name == "train":
        return importlib.import_module("archspec.train")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
