"""Gaussian-process regression of measured times; see `archspec.devices.curve`, which predicts with the result."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, log2
from typing import Final, NamedTuple

import torch
from torch import Tensor

from archspec.devices.curve import LAUNCH, Curve, features, roof
from archspec.devices.work import Work

LENGTHS: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 13.0)  # doublings
NOISES: Final = (0.003, 0.01, 0.03, 0.1, 0.4)  # variance of a measurement over that of the efficiencies
LEAST: Final = 4  # points of a curve
_MANY: Final = 32  # points, among which one that something disturbed shows: it is left out
_OUTLIER: Final = 4.0  # deviations
_SLOPE: Final = 0.1  # of the trend, for each doubling: its standard deviation over that of the efficiencies, beforehand


class Point(NamedTuple):
    """A measured kernel. issued: seconds that the host took to enqueue it on a GPU."""

    work: Work
    seconds: float
    issued: float = 0.0


class _Solved(NamedTuple):
    """errors: of each point predicted by the others, without sign. loss: their mean. deviation: a robust one."""

    errors: Tensor
    loss: float
    deviation: float
    length: float
    weights: Tensor
    trend: Tensor


def fit_curve(points: Sequence[Point], macs_per_s: float, bytes_per_s: float, launch_s: float = LAUNCH) -> Curve:
    """The curve through measured points, at least one.

    Length and noise are those with the smallest errors where each point is predicted by the others (Rasmussen &
    Williams 2006, equations 5.10 to 5.12), the trend is the generalised least squares one, its slope with a normal
    prior (section 2.7). Among many points, those far from what the others say are left out: something disturbed them.
    """
    x = torch.tensor([features(p.work) for p in points], dtype=torch.float64)
    roofs = [roof(p.work, macs_per_s, bytes_per_s, launch_s) for p in points]
    sizes = torch.tensor([log2(ideal) for ideal in roofs], dtype=torch.float64)
    y = torch.tensor([log(p.seconds / ideal) for p, ideal in zip(points, roofs, strict=True)], dtype=torch.float64)
    best = _best(x, sizes, y)
    near = best.errors <= _OUTLIER * best.deviation
    if len(points) >= _MANY and not bool(near.all()):
        x, sizes, y = x[near], sizes[near], y[near]
        best = _best(x, sizes, y)
    mean, slope = best.trend.tolist()
    return Curve(
        tuple(tuple(row) for row in x.tolist()), tuple(best.weights.tolist()), mean, slope, best.length, best.deviation,
        (float(sizes.min()), float(sizes.max())), macs_per_s, bytes_per_s, launch_s, (float(y.min()), float(y.max())),
    )


def _best(x: Tensor, sizes: Tensor, y: Tensor) -> _Solved:
    """With the length and noise of the smallest errors."""
    distances = torch.cdist(x, x).square()
    solved = (_solve(distances, sizes, y, length, noise) for length in LENGTHS for noise in NOISES)
    return min(solved, key=lambda s: s.loss)


def _solve(distances: Tensor, sizes: Tensor, y: Tensor, length: float, noise: float) -> _Solved:
    """The weights of one choice of length and noise, and the error of each point predicted by the others."""
    size = len(y)
    covariance = torch.exp(-0.5 * distances / length**2) + noise * torch.eye(size, dtype=torch.float64)
    inverse = torch.linalg.inv(covariance)
    basis = torch.stack([torch.ones_like(sizes), sizes], 1)
    prior = torch.tensor([[0.0, 0.0], [0.0, 1 / _SLOPE**2]], dtype=torch.float64)
    trend = torch.linalg.solve(basis.T @ inverse @ basis + prior, basis.T @ (inverse @ y))
    weights = inverse @ (y - basis @ trend)
    left_out = weights / inverse.diagonal()
    # Of both, a measurement that something disturbed does not decide.
    errors = left_out.abs() if size > 1 else torch.ones(1)
    return _Solved(errors, float(errors.mean()), float(errors.quantile(0.683)), length, weights, trend)
