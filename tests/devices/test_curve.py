"""A curve's prediction is the Gaussian process's: a weighted sum over all measured points."""

from math import dist, exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.devices.curve import Curve

PLACES = [(0.0, 0.0), (2.0, 2.0), (2.0, 0.0)]
sizes = st.floats(0, 20)


@pytest.mark.parametrize("width", [2, 4, 9])
@given(data=st.data())
def test_the_products_of_a_convolution_share_the_sums_of_their_sizes(width: int, data: st.DataObject) -> None:
    def drawn() -> tuple[float, ...]:
        own = data.draw(st.tuples(*[sizes] * min(width, 7)))
        return (*own, *data.draw(st.sampled_from(PLACES))) if width == 9 else own

    points = tuple(drawn() for _ in range(6))
    weights = tuple(data.draw(st.lists(st.floats(-2, 2), min_size=6, max_size=6)))
    curve = Curve(points, weights, 0.5, 3.0, 0.1, 1e12, 1e11)
    for x in (drawn(), *points):
        for place in PLACES:  # the second and third take what the first has summed
            own = (*x[:7], *place) if width == 9 else x
            inside = [min(max(value, low), high) for value, (low, high) in zip(own, curve.reach, strict=True)]
            terms = [w * exp(-0.5 * (dist(point, inside) / 3) ** 2) for point, w in zip(points, weights, strict=True)]
            assert curve.correction(own) == pytest.approx(0.5 + sum(terms), rel=1e-12, abs=1e-12)
