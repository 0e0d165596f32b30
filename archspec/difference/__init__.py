"""What changed between two specs: structure, shapes, figures and recipe. Without torch."""

from archspec.difference.compare import diff
from archspec.difference.conditions import Condition, ConditionError, parse_condition
from archspec.difference.figures import FigureChange
from archspec.difference.model import Difference, LayerChange
from archspec.difference.structure import Edit

__all__ = [
    "Condition", "ConditionError", "Difference", "Edit", "FigureChange", "LayerChange", "diff", "parse_condition",
]
