"""Scaled dot-product attention: in one kernel, or in steps, as torch chooses."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from archspec.execution.norms import Norms
from archspec.execution.random import Random
from archspec.execution.recorder import Recorder
from archspec.execution.tensor import Tensor

if TYPE_CHECKING:
    from archspec.execution.autograd import Gradients, Node

_ROWS = 32  # torch's memory-efficient kernel pads what it keeps of the softmax to a multiple of so many queries


class _Fused(NamedTuple):
    """A kernel for all of an attention.

    rows: the queries for which it keeps a number each. seeds: shapes of its random state, kept in 8-byte integers.
    """

    name: str
    rows: int
    seeds: tuple[tuple[int, ...], ...] = ()


class Attention(Norms, Random):
    """Attention of a `Tape`."""

    def attention(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None, *, causal: bool = False,
        dropout: float = 0.0,
    ) -> Tensor:
        """softmax(query·keyᵀ + bias)·value of (N, …, L, E), (N, …, S, E), (N, …, S, V) -> (N, …, L, V).

        bias: (…, L, S), where a dimension may be 1. dropout: of the softmax.
        """
        dropout = dropout if self.training else 0.0
        query, key, value, *rest = self.lower(query, key, value, *([] if bias is None else [bias]))
        bias = rest[0] if rest else None
        if query.ndim != 3:
            return self._attention(query, key, value, bias, causal=causal, dropout=dropout)
        # torch takes sequences as heads of one sample.
        query, key, value = (self.reshape(x, (1, *x.shape)) for x in (query, key, value))
        bias = None if bias is None else self.reshape(bias, (1, *bias.shape))
        y = self._attention(query, key, value, bias, causal=causal, dropout=dropout)
        return self.reshape(y, y.shape[1:])

    def _attention(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, *, causal: bool, dropout: float
    ) -> Tensor:
        fused = self._fused(query, key, value, bias, causal=causal, dropout=dropout)
        if fused is None:
            return self._in_steps(query, key, value, bias, causal=causal, dropout=dropout)
        y = self.like(query) if value.shape[-1] == query.shape[-1] else self.new(
            (*query.shape[:-1], value.shape[-1]), query.dtype)
        sums = self.new((*query.shape[:-2], fused.rows), "float64" if query.dtype == "float64" else "float32")
        seeds = [self.new(shape, "int64") for shape in fused.seeds]
        scores = query.numel // query.shape[-1] * key.shape[-2]
        self.launch(fused.name, (query, key, value, bias), (y, sums), macs=scores * (query.shape[-1] + y.shape[-1]),
                    flops=scores * (4 + (bias is not None)), geometry=_shape(query, key))
        saved = (query, key, value, y, sums, *seeds, *(() if bias is None else (bias,)))
        self.record(fused.name, (y,), (query, key, value, bias), saved, _fused_backward)
        return y

    def _fused(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, *, causal: bool, dropout: float
    ) -> _Fused | None:
        """The kernel that torch runs; None if it computes the attention in steps (sdp_utils of ATen)."""
        width = query.shape[-1]
        strided = any(x.strides[-1] != 1 for x in (query, key, value))
        if query.ndim != 4 or self.meta or (self.needs(bias) and not self.cuda):
            return None
        if not self.cuda:
            fits = not dropout and width == key.shape[-1] == value.shape[-1] and not strided
            return _Fused("flash_attention", query.shape[-2]) if fits else None
        if strided or (bias is not None and bias.strides[-1] != 1):
            return None
        even = not causal or query.shape[-2] == key.shape[-2]
        if query.dtype != "float32" and bias is None and width == value.shape[-1] <= 256 and width % 8 == 0 and even:
            return _Fused("flash_attention", query.shape[-2], ((2,), ()))
        if all(size % (4 if query.dtype == "float32" else 8) == 0 for size in (width, value.shape[-1])):
            return _Fused("efficient_attention", -(-query.shape[-2] // _ROWS) * _ROWS, ((), ()))
        return None

    def _in_steps(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, *, causal: bool, dropout: float
    ) -> Tensor:
        """Two products and a softmax, in float32 at least (`_scaled_dot_product_attention_math`)."""
        dtype = query.dtype
        if dtype != "float64":
            query, key, value = (self.cast(x, "float32") for x in (query, key, value))
        scaled = self.scaled("mul", query)  # torch keeps the cast of the query, too
        if causal:
            bias = self._causal(query.shape[-2], key.shape[-2])
        turned = self.scaled("mul", self.transpose(key, -2, -1))
        scores = self._batched(scaled, turned)
        del turned  # torch keeps the others until the end
        if bias is not None:
            scores = self.add(scores, bias)
        scores = self.softmax("softmax", scores)
        if dropout:
            scores = self.dropout(scores, dropout)
        also = self.cast(scores, dtype)  # torch's function returns the scores, too
        y = self.cast(self._batched(scores, value), dtype)
        del also
        return y

    def _causal(self, queries: int, keys: int) -> Tensor:
        """-∞ where a query must not see a key."""
        ones = self.new((queries, keys), "bool")
        self.launch("ones", (), (ones,))
        mask = self.new((queries, keys), "bool")
        self.launch("tril", (ones,), (mask,))
        del ones
        bias = self.new((queries, keys), "float32")
        self.launch("where", (mask,), (bias,))
        return bias


def _shape(query: Tensor, key: Tensor) -> tuple[int, ...]:
    """Queries of all heads, keys, width of a head."""
    return prod(query.shape[:-1]), key.shape[-2], query.shape[-1]


def _fused_backward(tape: Recorder, node: Node, grads: Gradients) -> Gradients:
    """Computes the gradients of all three inputs: four products. That of the scores, again, is not counted."""
    (grad,), (query, key, value, *_) = grads, node.saved
    scores = query.numel // query.shape[-1] * key.shape[-2]
    results = [tape.like(x) for x in (query, key, value)]
    macs = 2 * scores * (query.shape[-1] + value.shape[-1])
    tape.launch(node.name + "_backward", (grad, *node.saved), results, macs=macs, flops=8 * scores,
                geometry=_shape(query, key))
    return [*results, None]
