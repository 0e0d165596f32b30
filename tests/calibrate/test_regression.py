"""Curves through measured times."""

from __future__ import annotations

from math import dist, log2

import pytest
import torch

from archspec.calibrate.products import Shape, convolutions
from archspec.calibrate.regression import LENGTHS, NOISES, Point, _solve, fit_curve
from archspec.calibrate.sample import Place
from archspec.devices.curve import features, kind_of
from archspec.devices.work import Work

CPU = torch.device("cpu")


def works(count: int) -> list[Work]:
    return [Work("elementwise", False, 4 ** (k % 9 + 4) * (1 + k), 0, 4 ** (k % 7 + 4)) for k in range(count)]


def test_a_curve_finds_the_law_behind_the_times() -> None:
    """A kernel that reaches half of the bandwidth, and less for small sizes."""

    def seconds(work: Work) -> float:
        return 1e-5 + work.nbytes / 5e9

    curve = fit_curve([Point(w, seconds(w)) for w in works(25)], 1e9, 1e10)
    for work in [Work("elementwise", False, 3_000_000, 0, 40_000), Work("elementwise", False, 90_000, 0, 9_000)]:
        assert curve.seconds(work) == pytest.approx(seconds(work), rel=0.1)
    assert curve.deviation < 0.1


def test_a_trend_tells_of_sizes_far_from_all_measured_ones() -> None:
    """Large kernels are the efficient ones: between distant points a curve without it tends to the mean efficiency."""
    def seconds(n: int) -> float:
        return n / 1e9 * (1 << 24 if n > 1 << 24 else n) ** -0.2

    points = [Point(Work("elementwise", False, n, 0, n), seconds(n)) for n in (1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 24)]
    curve = fit_curve(points, 1e9, 1e9)
    assert curve.slope < -0.05
    assert curve.seconds(Work("elementwise", False, 1 << 19, 0, 1 << 19)) == pytest.approx(seconds(1 << 19), rel=0.35)


def test_beyond_the_largest_measured_size_the_efficiency_stays() -> None:
    """Not the mean one: large kernels are the efficient ones."""
    sizes = [1 << power for power in range(10, 21)]
    points = [Point(Work("elementwise", False, n, 0, n), 1e-5 + n / 5e9) for n in sizes]
    curve = fit_curve(points, 1e9, 1e10)
    largest, beyond = (curve.seconds(Work("elementwise", False, n, 0, n)) for n in (1 << 20, 1 << 30))
    assert beyond == pytest.approx(1024 * largest, rel=0.01)


def test_forward_and_backward_of_a_convolution_and_the_windows_of_depthwise_ones_lie_apart() -> None:
    samples = {s.name: s.work for s in convolutions(Place(CPU, "fp32"), [Shape(1, 8, 8, 8, 3, 1, 1)])}
    places = [features(work) for work in samples.values()]
    assert len(set(places)) == 2
    assert dist(*places) >= 2
    assert {kind_of(name, work) for name, work in samples.items()} == {"convolution"}

    def forward(kernel: int, groups: int, dilation: int = 1) -> tuple[float, ...]:
        shape = Shape(1, 8, 8, 8, kernel, 1, groups, dilation)
        return features(next(s.work for s in convolutions(Place(CPU, "fp32"), [shape]) if s.name == "convolution"))

    assert dist(forward(3, 8), forward(5, 8)) > 2 * dist(forward(3, 1), forward(5, 1))
    assert dist(forward(3, 1), forward(3, 1, 4)) == pytest.approx(4)  # twice as far along each axis, twice
    assert dist(forward(3, 8), forward(3, 8, 2)) > 2 * dist(forward(3, 1), forward(3, 1, 2))


def test_depthwise_convolutions_have_curves_of_their_own_for_backward() -> None:
    """On a CPU, their gradients take many times as long where libraries have no kernel for a window."""
    shape = Shape(1, 8, 8, 8, 5, 1, 8)
    kinds = {s.name: kind_of(s.name, s.work) for s in convolutions(Place(CPU, "fp32"), [shape])}
    assert kinds == {
        "convolution": "depthwise_convolution", "convolution_backward_weight": "depthwise_convolution_backward"}
    grouped = {kind_of(s.name, s.work) for s in convolutions(Place(CPU, "fp32"), [shape._replace(groups=4)])}
    assert grouped == {"grouped_convolution"}


def test_between_near_points_that_differ_nothing_explodes() -> None:
    """Kernels of nearly one size, some twice as slow: no other is less efficient than all of them."""
    sizes = (2048, 2304, 7744, 8192, 32768, 33856, 36864, 36864, 123904, 123904, 262144, 262144)
    microseconds = (10.1, 23.2, 22.4, 4.9, 18.9, 19.2, 16.2, 18.1, 44.5, 53.0, 57.2, 66.3)  # sums of two kinds
    points = [Point(Work("reduce", True, n, 0, n), us / 1e6) for n, us in zip(sizes, microseconds, strict=True)]
    curve = fit_curve(points, 1e12, 2.6e10)
    for n in (2100, 4096, 8000, 16384):
        assert 3e-6 < curve.seconds(Work("reduce", True, n, 0, n)) < 60e-6


def test_a_disturbed_point_among_many_is_left_out() -> None:
    """As a kernel that got fresh pages from the system: it took 30 times as long as its neighbours."""
    sizes = [int(2 ** (10 + k / 4)) for k in range(40)]
    points = [Point(Work("elementwise", False, n, 0, n), 1e-5 + n / 5e9) for n in sizes]
    disturbed = [p._replace(seconds=30 * p.seconds) if k == 20 else p for k, p in enumerate(points)]
    robust = fit_curve(disturbed, 1e9, 1e10)
    for k in (0, 10, 19, 20, 21, 39):
        assert robust.seconds(points[k].work) == pytest.approx(points[k].seconds, rel=0.25)
    assert len(robust.points) == 39
    assert len(fit_curve(disturbed[10:31], 1e9, 1e10).points) == 21  # of few it may be the only one of its kind


def test_attention_over_tokens_that_do_not_fill_its_blocks_lies_apart() -> None:
    """torch takes 32, 64 or 256 at once: 65 take about as long as 96, of 192 the last block is full again."""
    def filled(tokens: int) -> float:
        return features(Work("product", False, 1, tokens * tokens * 64, tokens * tokens, plane=tokens))[3]

    assert [filled(tokens) for tokens in (32, 64, 192, 256, 768, 1024)] == [0.0] * 6
    assert filled(65) == pytest.approx(3 * log2(96 / 65))
    assert filled(193) == pytest.approx(3 * log2(256 / 193))
    assert filled(769) == pytest.approx(3 * log2(1024 / 769))


def test_the_error_of_a_curve_is_that_of_each_point_predicted_by_the_others() -> None:
    """Against fitting the curve again without the point."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(12, 2, generator=generator).double() * 8, torch.rand(12, generator=generator).double()
    for length in LENGTHS[2:4]:
        for noise in NOISES[:2]:
            def solved(keep: list[int], length: float = length, noise: float = noise) -> tuple[float, torch.Tensor]:
                found = _solve(torch.cdist(x[keep], x[keep]).square(), torch.zeros(len(keep)).double(), y[keep], length, noise)
                return float(found.trend[0]), found.weights

            everything = _solve(torch.cdist(x, x).square(), torch.zeros(12).double(), y, length, noise)
            errors = []
            for k in range(12):
                keep = [j for j in range(12) if j != k]
                mean, weights = solved(keep)
                near = torch.exp(-0.5 * torch.cdist(x[keep], x[k : k + 1]).square() / length**2).flatten()
                errors.append(abs(float(y[k]) - mean - float(near @ weights)))
            # The closed form keeps the mean of all points, so the two differ a little.
            assert everything.deviation == pytest.approx(float(torch.tensor(errors).quantile(0.683)), rel=0.25)
            assert everything.loss == pytest.approx(sum(errors) / 12, rel=0.25)
