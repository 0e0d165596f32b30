"""Data sets: found, checked, and fed to a network in batches.

Importing this package does not import torch: `archspec list` and the check of a recipe's `data` read only
the registry.
"""

from archspec.data.batches import Batch, Batches, BatchOptions, ResidentBatches
from archspec.data.feed import make_batches, open_data
from archspec.data.folder import ImageFolder, open_folder
from archspec.data.images import ImageData
from archspec.data.load import load
from archspec.data.places import locate
from archspec.data.plan import InputPlan, check_classes, plan
from archspec.data.registry import DATASETS, DatasetInfo, Split, check_name

__all__ = [
    "DATASETS",
    "Batch",
    "BatchOptions",
    "Batches",
    "DatasetInfo",
    "ImageData",
    "ImageFolder",
    "InputPlan",
    "ResidentBatches",
    "Split",
    "check_classes",
    "check_name",
    "load",
    "locate",
    "make_batches",
    "open_data",
    "open_folder",
    "plan",
]
