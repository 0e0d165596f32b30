"""Passes over a graph: one a file, plain functions, no torch."""

from archspec.analysis.cost import LayerCost, Report, ReportNode, cost_report
from archspec.analysis.expect import Expected, check_expectations
from archspec.analysis.logits import squashing_end

__all__ = ["Expected", "LayerCost", "Report", "ReportNode", "check_expectations", "cost_report", "squashing_end"]
