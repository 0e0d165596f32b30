"""Data sets: found, checked, and fed to a network in batches.

Importing this package does not import torch: `archspec list` and the check of a recipe's `data` need only the registry.
"""

from archspec.data.images import ImageData
from archspec.data.load import load
from archspec.data.places import locate
from archspec.data.registry import DATASETS, DatasetInfo, Split, check_name

__all__ = ["DATASETS", "DatasetInfo", "ImageData", "Split", "check_name", "load", "locate"]
