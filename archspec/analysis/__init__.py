"""Passes over a graph: one a file, plain functions, no torch."""

from archspec.analysis.cost import LayerCost, Report, ReportNode, cost_report
from archspec.analysis.expect import check_expectations
from archspec.analysis.logits import squashing_end

__all__ = ["LayerCost", "Report", "ReportNode", "check_expectations", "cost_report", "squashing_end"]
