"""Random numbers as a function of what they are for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.data.counter import integers, key_of, mix, uniform

MASK, GAMMA = (1 << 64) - 1, 0x9E3779B97F4A7C15
int64 = st.integers(-(2**63), 2**63 - 1)


def test_mix_is_splitmix64():
    """The published first outputs of the generator with seed 1234567."""
    state, outputs = 1234567, []
    for _ in range(5):
        state = (state + GAMMA) & MASK
        outputs.append(mix(state))
    assert outputs == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]


@settings(deadline=None, max_examples=100)
@given(key=st.integers(0, MASK), index=st.lists(int64, min_size=1, max_size=20), draws=st.integers(1, 5))
def test_tensors_give_what_whole_numbers_give(key, index, draws):
    """int64 products wrap around and shifts keep the sign: here without either."""
    expected = [
        [mix(mix(i * GAMMA + key & MASK) + d * GAMMA & MASK) >> 40 for d in range(1, draws + 1)] for i in index
    ]
    found = uniform(key, torch.tensor(index), draws)
    assert found.dtype == torch.float32
    assert (found.double() * 2**24).tolist() == expected


def test_numbers_are_uniform_and_independent():
    """Chi-squared over 64 bins per draw and over 8×8 bins per pair; the bound is passed once in 10⁵ runs."""
    numbers = uniform(key_of(0, 0, "test"), torch.arange(100_000), 3).double()
    cells = [(numbers[:, d] * 64).long() for d in range(3)]
    cells += [(numbers[:, a] * 8).long() * 8 + (numbers[:, b] * 8).long() for a, b in ((0, 1), (1, 2), (0, 2))]
    neighbours = (numbers[:-1, 0] * 8).long() * 8 + (numbers[1:, 0] * 8).long()
    for cell in [*cells, neighbours]:
        counts = cell.bincount(minlength=64).double()
        expected = len(cell) / 64
        assert ((counts - expected) ** 2 / expected).sum() < 120
    assert numbers.min() >= 0
    assert numbers.max() < 1


@pytest.mark.parametrize("other", [(1, 0, "crop"), (0, 1, "crop"), (0, 0, "flip")], ids=["seed", "epoch", "stream"])
def test_other_keys_give_unrelated_numbers(other):
    index = torch.arange(20_000)
    a, b = (uniform(key, index, 1)[:, 0] for key in (key_of(0, 0, "crop"), key_of(*other)))
    assert abs(float(torch.corrcoef(torch.stack([a, b]))[0, 1])) < 0.03


def test_keys_of_many_epochs_and_seeds_are_all_different():
    keys = {key_of(seed, epoch, stream) for seed in range(40) for epoch in range(40) for stream in ("a", "b", "ab")}
    assert len(keys) == 40 * 40 * 3


@pytest.mark.parametrize("bound", [1, 2, 9, 1000])
def test_integers_cover_their_range(bound):
    found = integers(torch.tensor([0.0, 0.5, 1 - 2.0**-24]), bound)
    assert found.tolist() == [0, bound // 2, bound - 1]
