"""A curve's prediction is the Gaussian process's: a weighted sum over all measured points."""

from math import dist, exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.devices.curve import Curve, roof
from archspec.devices.work import Work

PLACES = [(0.0, 0.0), (2.0, 2.0), (2.0, 0.0)]
sizes = st.floats(0, 20)


@pytest.mark.parametrize("width", [2, 5, 10])
@given(data=st.data())
def test_the_products_of_a_convolution_share_the_sums_of_their_sizes(width: int, data: st.DataObject) -> None:
    def drawn() -> tuple[float, ...]:
        own = data.draw(st.tuples(*[sizes] * min(width, 8)))
        return (*own, *data.draw(st.sampled_from(PLACES))) if width == 10 else own

    points = tuple(drawn() for _ in range(6))
    weights = tuple(data.draw(st.lists(st.floats(-2, 2), min_size=6, max_size=6)))
    curve = Curve(points, weights, 0.5, 0.0, 3.0, 0.1, (-20.0, 0.0), 1e12, 1e11)
    for x in (drawn(), *points):
        for place in PLACES:  # the second and third take what the first has summed
            own = (*x[:8], *place) if width == 10 else x
            inside = [min(max(value, low), high) for value, (low, high) in zip(own, curve.reach, strict=True)]
            terms = [w * exp(-0.5 * (dist(point, inside) / 3) ** 2) for point, w in zip(points, weights, strict=True)]
            assert curve._correction(own) == pytest.approx(sum(terms), rel=1e-12, abs=1e-12)


def test_beyond_the_measured_sizes_a_kernel_is_as_efficient_as_the_least_or_the_largest() -> None:
    curve = Curve((), (), 0.5, 0.1, 3.0, 0.1, (-10.0, -5.0), 1e12, 1e11)

    def loss(seconds: float) -> float:
        work = Work("elementwise", False, round(seconds * curve.bytes_per_s), 0, 0)
        return curve.seconds(work) / roof(work, curve.macs_per_s, curve.bytes_per_s)

    assert loss(2**-3) == pytest.approx(loss(2**-5)) and loss(2**-12) == pytest.approx(loss(2**-10), rel=1e-6)
    assert loss(2**-5) > loss(2**-7) > loss(2**-10)
