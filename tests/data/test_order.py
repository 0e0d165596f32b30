"""The order of samples, and how ranks share it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.data.order import epoch_order, shard, step_sizes

sizes = {"n": st.integers(0, 60), "world_size": st.integers(1, 5), "batch": st.integers(1, 9)}


@settings(deadline=None, max_examples=50)
@given(n=st.integers(0, 500), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 10**6))
def test_an_order_is_a_permutation_that_depends_on_nothing_else(n, seed, epoch):
    torch.manual_seed(1)
    first = epoch_order(n, seed, epoch)
    torch.rand(3)
    state = torch.get_rng_state()
    again = epoch_order(n, seed, epoch)
    assert torch.equal(first, again)
    assert sorted(first.tolist()) == list(range(n))
    assert torch.equal(state, torch.get_rng_state())


def test_orders_of_seeds_and_epochs_differ():
    orders = {tuple(epoch_order(50, seed, epoch).tolist()) for seed in range(10) for epoch in range(10)}
    assert len(orders) == 100


def test_an_order_is_no_function_of_the_sum_of_seed_and_epoch():
    assert not torch.equal(epoch_order(50, 0, 1), epoch_order(50, 1, 0))


@settings(deadline=None, max_examples=60)
@given(**sizes)
def test_ranks_share_an_epoch_without_loss_or_repeat(n, world_size, batch):
    order = epoch_order(n, 3, 4)
    ranks = [shard(order, rank, world_size, batch) for rank in range(world_size)]
    assert {len(steps) for steps in ranks} == {len(step_sizes(n, world_size, batch))}
    together = [torch.cat(parts) for parts in zip(*ranks, strict=True)]
    assert [len(step) for step in together] == step_sizes(n, world_size, batch)
    assert torch.equal(torch.cat([order[:0], *together]), order)


@settings(deadline=None, max_examples=60)
@given(**sizes)
def test_a_step_is_the_same_set_for_any_number_of_ranks(n, world_size, batch):
    """Two ranks × batch b see in each step what one rank × batch 2b sees."""
    order = epoch_order(n, 0, 0)
    alone = shard(order, 0, 1, world_size * batch)
    for step, part in enumerate(alone):
        found = torch.cat([shard(order, rank, world_size, batch)[step] for rank in range(world_size)])
        assert torch.equal(found, part)


@settings(deadline=None, max_examples=60)
@given(**sizes, at_least=st.integers(0, 3))
def test_a_small_last_step_is_left_out_for_all_ranks(n, world_size, batch, at_least):
    at_least = min(at_least, batch)
    order = epoch_order(n, 1, 1)
    ranks = [shard(order, rank, world_size, batch, at_least=at_least) for rank in range(world_size)]
    assert {len(steps) for steps in ranks} == {len(step_sizes(n, world_size, batch, at_least=at_least))}
    assert all(len(part) >= at_least for steps in ranks for part in steps)
    left_out = n - sum(len(part) for steps in ranks for part in steps)
    assert 0 <= left_out < max(1, world_size * at_least)


def test_the_last_step_is_shared_evenly():
    parts = [shard(torch.arange(13), rank, 3, 3)[-1].tolist() for rank in range(3)]
    assert parts == [[9, 10], [11], [12]]


@pytest.mark.parametrize(("rank", "world_size", "batch"), [(2, 2, 1), (-1, 2, 1), (0, 1, 0)])
def test_what_cannot_be_is_refused(rank, world_size, batch):
    with pytest.raises(ValueError, match="rank"):
        shard(torch.arange(4), rank, world_size, batch)
