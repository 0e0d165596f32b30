"""Rewrites: a file and a function each, from a graph to one that computes the same, and what becomes of the weights."""

from archspec.ir.rewrites.fold_batch_norm import fold_batch_norm
from archspec.ir.rewrites.fuse_convolutions import fuse_convolutions
from archspec.ir.rewrites.inference import for_inference
from archspec.ir.rewrites.result import Rewritten, State

__all__ = ["Rewritten", "State", "fold_batch_norm", "for_inference", "fuse_convolutions"]
