"""Whether a network fits into memory: the largest batch, and what makes a batch fit. Imports no torch."""

from archspec.capacity.answer import Answer, Request, answer
from archspec.capacity.fitting import Fitting, fitted
from archspec.capacity.options import Option
from archspec.capacity.recipes import recipe_setting

__all__ = ["Answer", "Fitting", "Option", "Request", "answer", "fitted", "recipe_setting"]
