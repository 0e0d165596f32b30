"""Whether a network fits into memory: the largest batch, and what makes a batch fit. Imports no torch."""

from archspec.capacity.answer import Answer, Request, answer
from archspec.capacity.estimate import gpu_tensors
from archspec.capacity.fitting import Fitting, fitted
from archspec.capacity.options import Low, Option
from archspec.capacity.recipes import recipe_setting
from archspec.capacity.simulate import PASSES, WORK, Price, of_passes, predicted_time

__all__ = [
    "PASSES", "WORK", "Answer", "Fitting", "Low", "Option", "Price", "Request", "answer", "fitted", "gpu_tensors",
    "of_passes", "predicted_time", "recipe_setting",
]
