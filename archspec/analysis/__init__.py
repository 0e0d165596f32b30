"""Passes over a graph: one plain function per file, without torch."""

from archspec.analysis.cost import cost_report
from archspec.analysis.expect import Expected, check_expectations
from archspec.analysis.learns import check_learns
from archspec.analysis.logits import squashing_end
from archspec.analysis.lone_value import lone_value, smallest_batch
from archspec.analysis.report import LayerCost, Report, ReportNode
from archspec.analysis.resources import Resources, resources
from archspec.analysis.timing import Predicted, predict_times

__all__ = [
    "Expected", "LayerCost", "Predicted", "Report", "ReportNode", "Resources", "check_expectations", "check_learns",
    "cost_report", "lone_value", "predict_times", "resources", "smallest_batch", "squashing_end",
]
