"""Rewrites, one function in one file each: from a graph to one that computes the same, and how the weights change."""

from archspec.ir.rewrites.fold_batch_norm import fold_batch_norm
from archspec.ir.rewrites.fuse_convolutions import fuse_convolutions
from archspec.ir.rewrites.inference import for_inference
from archspec.ir.rewrites.result import Rewritten, State

__all__ = ["Rewritten", "State", "fold_batch_norm", "for_inference", "fuse_convolutions"]
