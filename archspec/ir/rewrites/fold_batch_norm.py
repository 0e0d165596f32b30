"""Folds a batch norm into the weights of the convolution before it, for inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archspec.ir.edit import Editor
from archspec.ir.graph import Graph, Value
from archspec.ir.rewrites.result import Rewritten, State, runs_by_state
from archspec.ops.batch_norm import BatchNorm
from archspec.ops.conv import Conv

_NORM: Final = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, slots=True)
class Folded:
    """The weights of a convolution with the batch norm after it: w·s and (b − mean)·s + β, where s = γ/√(var + eps).

    convolution, norm: the paths of their weights.
    """

    convolution: str
    norm: str
    eps: float

    def apply(self, state: State) -> None:
        """See `Derivation`."""
        import torch

        old = state[f"{self.convolution}.weight"]
        exact = torch.promote_types(old.dtype, torch.float32)
        mean, variance = (state[f"{self.norm}.running_{name}"].to(exact) for name in ("mean", "var"))
        scale = (variance + self.eps).rsqrt() * state.get(f"{self.norm}.weight", torch.ones_like(mean)).to(exact)
        bias = (state.get(f"{self.convolution}.bias", torch.zeros_like(mean)).to(exact) - mean) * scale
        bias += state.get(f"{self.norm}.bias", torch.zeros_like(mean)).to(exact)
        state[f"{self.convolution}.weight"] = (old.to(exact) * scale.reshape(-1, *[1] * (old.ndim - 1))).to(old.dtype)
        state[f"{self.convolution}.bias"] = bias.to(old.dtype)
        for name in _NORM:
            state.pop(f"{self.norm}.{name}", None)


def fold_batch_norm(graph: Graph) -> Rewritten:
    """Fold each batch norm with running statistics into the convolution before it (Jacob et al. 2018, section 3.2).

    graph: without sub-graphs, see `inline`. The result computes the same as the graph in evaluation mode. A convolution
    stays as it is if another node uses its output, or if its weights or the norm's are also used without the other.
    """
    editor, runs, weights = Editor(graph), runs_by_state(graph), []
    for convolution, nodes in runs.items():
        norms = [_norm_after(editor, k) for k in nodes]
        if None in norms:
            continue
        owner = graph.nodes[norms[0] or 0]
        norm = owner.state or owner.name
        if sorted(runs[norm]) != sorted(k for k in norms if k is not None):
            continue
        assert isinstance(owner.target, BatchNorm)
        weights.append(Folded(convolution, norm, owner.target.eps))
        for k, n in zip(nodes, norms, strict=True):
            node = graph.nodes[k]
            assert n is not None and isinstance(node.target, Conv)
            editor.change(k, editor.nodes[k]._replace(target=node.target.model_copy(update={"bias": True})))
            editor.replace(Value(n), Value(k))
            editor.erase(n)
    return Rewritten(editor.finish(), tuple(weights))


def _norm_after(editor: Editor, k: int) -> int | None:
    """The number of the batch norm that is the only user of convolution number `k`, or None."""
    taken = editor.uses(Value(k))
    if not isinstance(editor.graph.nodes[k].target, Conv) or len(taken) != 1:
        return None
    (use,) = taken
    norm = None if use.node is None else editor.nodes[use.node].target
    return use.node if isinstance(norm, BatchNorm) and norm.track_running_stats else None
