"""Passes over a graph: one plain function per file, without torch.

Memory and time (`resources`, `timing`) are imported from their modules: checking a spec needs neither.
"""

from archspec.analysis.cost import cost_report
from archspec.analysis.expect import Expected, check_expectations
from archspec.analysis.learns import check_learns
from archspec.analysis.logits import squashing_end
from archspec.analysis.lone_value import check_batch, lone_value, smallest_batch, why_no_step
from archspec.analysis.report import LayerCost, Report, ReportNode

__all__ = [
    "Expected", "LayerCost", "Report", "ReportNode", "check_batch", "check_expectations", "check_learns", "cost_report",
    "lone_value", "smallest_batch", "squashing_end", "why_no_step",
]
