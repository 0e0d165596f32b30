"""Gaussian-process regression of measured times; see `archspec.devices.curve`, which predicts with the result."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Final, NamedTuple

import torch
from torch import Tensor

from archspec.devices.curve import LAUNCH, Curve, features, roof
from archspec.devices.work import Work

LENGTHS: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 13.0)  # doublings
NOISES: Final = (0.003, 0.01, 0.03, 0.1, 0.4)  # variance of a measurement over that of the efficiencies
LEAST: Final = 4  # points of a curve


class Point(NamedTuple):
    """A measured kernel. issued: seconds that the host took to enqueue it on a GPU."""

    work: Work
    seconds: float
    issued: float = 0.0


class _Solved(NamedTuple):
    error: float
    length: float
    weights: Tensor
    mean: float


def fit_curve(points: Sequence[Point], macs_per_s: float, bytes_per_s: float, launch_s: float = LAUNCH) -> Curve:
    """The curve through measured points, at least one.

    Length and noise are those with the smallest error where each point is predicted by the others (Rasmussen & Williams
    2006, equations 5.10 to 5.12), the mean is the generalised least squares one (section 2.7).
    """
    x = torch.tensor([features(p.work) for p in points], dtype=torch.float64)
    roofs = [roof(p.work, macs_per_s, bytes_per_s, launch_s) for p in points]
    y = torch.tensor([log(p.seconds / ideal) for p, ideal in zip(points, roofs, strict=True)], dtype=torch.float64)
    distances = torch.cdist(x, x).square()
    best = min((_solve(distances, y, length, noise) for length in LENGTHS for noise in NOISES), key=lambda s: s.error)
    return Curve(
        tuple(tuple(row) for row in x.tolist()), tuple(best.weights.tolist()), best.mean, best.length, best.error,
        macs_per_s, bytes_per_s, launch_s,
    )


def _solve(distances: Tensor, y: Tensor, length: float, noise: float) -> _Solved:
    """The weights of one choice of length and noise, and the error of each point predicted by the others."""
    size = len(y)
    covariance = torch.exp(-0.5 * distances / length**2) + noise * torch.eye(size, dtype=torch.float64)
    inverse = torch.linalg.inv(covariance)
    ones = inverse.sum(0)
    mean = float(ones @ y / ones.sum())
    weights = inverse @ (y - mean)
    left_out = weights / inverse.diagonal()
    # A robust deviation: a measurement that something disturbed does not decide.
    error = float(left_out.abs().quantile(0.683)) if size > 1 else 1.0
    return _Solved(error, length, weights, mean)
