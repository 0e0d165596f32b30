"""Batches of data in memory."""

from itertools import chain

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.data.augment import Augmentation
from archspec.data.batches import BatchOptions, ResidentBatches
from archspec.data.images import ImageData
from archspec.data.order import epoch_order
from archspec.data.plan import plan
from archspec.data.transform import to_input

N = 23


@pytest.fixture(scope="module")
def data():
    return make_data()


def make_data():
    """Image k is all k, so that a batch shows what is in it."""
    images = torch.arange(N, dtype=torch.uint8)[:, None, None, None].expand(N, 1, 6, 5).clone()
    images[:, :, 0, 0] = 255  # and a mark, so that augmentation shows
    return ImageData(images, torch.arange(N) % 4, tuple("abcd"), "made", "train", "here")


def batches(data, wanted=(1, 6, 5), **options):
    fields = {"batch_size": 5, "shuffle": True, **options}
    return ResidentBatches(data, plan("made", data.shape, wanted), BatchOptions(**fields))


def test_a_batch_is_what_its_indices_say(data):
    for x, y, indices, _ in batches(data).batches(3):
        assert torch.equal(x, to_input(data.images[indices], (6, 5), 1))
        assert torch.equal(y, data.labels[indices])
        assert (x.dtype, y.dtype, indices.dtype) == (torch.float32, torch.int64, torch.int64)


def test_an_epoch_has_the_order_of_seed_and_epoch(data):
    found = torch.cat([batch.indices for batch in batches(data, seed=9).batches(2)])
    assert torch.equal(found, epoch_order(N, 9, 2))


def test_without_shuffling_the_order_is_that_of_the_data(data):
    source = batches(data, shuffle=False)
    assert [batch.indices.tolist() for batch in source.batches(1)][-1] == [20, 21, 22]
    assert len(source) == 5
    assert source.step_sizes == [5, 5, 5, 5, 3]


@settings(deadline=None, max_examples=15)
@given(start=st.integers(0, 6), epoch=st.integers(0, 3), batch=st.integers(1, 9))
def test_starting_later_gives_what_was_left(start, epoch, batch):
    """With augmentation, and whether or not the epoch was begun before."""
    source = batches(make_data(), batch_size=batch, augment=Augmentation(2, 0.5, 0.5))
    whole = list(source.batches(epoch))
    resumed = list(source.batches(epoch, start))
    assert len(resumed) == max(0, len(whole) - start)
    for ours, theirs in zip(resumed, whole[start:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours[:3], theirs[:3], strict=True))
        assert ours.total == theirs.total


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_together_see_what_one_sees(data, world):
    """The same images, augmented alike, in each step."""
    augment = Augmentation(crop_padding=2, flip=0.5)
    alone = batches(data, batch_size=2 * world, augment=augment)
    ranks = [batches(data, batch_size=2, augment=augment, rank=rank, world_size=world) for rank in range(world)]
    for whole, *parts in zip(alone.batches(1), *(rank.batches(1) for rank in ranks), strict=True):
        for field in range(3):
            assert torch.equal(torch.cat([part[field] for part in parts]), whole[field])
    assert ranks[0].step_sizes == alone.step_sizes


def test_resizing_repeating_and_normalising_are_done(data):
    wanted = plan("made", data.shape, (3, 9, 8), mean=(0.1,), std=(0.2, 0.3, 0.4))
    source = ResidentBatches(data, wanted, BatchOptions(4, False))
    x = next(iter(source.batches(0))).x
    expected = to_input(data.images[:4], (9, 8), 3, mean=(0.1,) * 3, std=(0.2, 0.3, 0.4))
    assert torch.equal(x, expected)


def test_augmentation_changes_with_the_epoch_and_is_off_by_default(data):
    plain = {k: batch.x for k, batch in enumerate(batches(data, shuffle=False).batches(0))}
    for k, batch in enumerate(batches(data, shuffle=False).batches(1)):
        assert torch.equal(batch.x, plain[k])
    augmented = batches(data, shuffle=False, augment=Augmentation(2))
    first, second = (torch.cat([batch.x for batch in augmented.batches(epoch)]) for epoch in (0, 1))
    assert not torch.equal(first, second)


def test_type_and_layout_are_as_asked(data):
    source = batches(data, (3, 6, 5), dtype=torch.float16, memory_format=torch.channels_last)
    x = next(iter(source.batches(0))).x
    assert x.dtype == torch.float16
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_iterating_touches_neither_the_data_nor_the_global_random_state(data):
    before, state = data.images.clone(), torch.get_rng_state()
    list(batches(data, augment=Augmentation(2, 0.5, 0.5)).batches(0))
    assert torch.equal(data.images, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_two_passes_at_a_time_do_not_disturb_each_other(data):
    source = batches(data)
    expected = [batch.indices.tolist() for batch in source.batches(0)]
    both = list(chain.from_iterable(zip(source.batches(0), source.batches(0), strict=True)))
    assert [batch.indices.tolist() for batch in both[::2]] == expected
    assert [batch.indices.tolist() for batch in both[1::2]] == expected


def test_data_kept_on_the_cpu_is_sent_batch_by_batch(data):
    """`meta` stands for a device of its own."""
    options = BatchOptions(5, True, device="meta", augment=Augmentation(1))
    source = ResidentBatches(data, plan("made", data.shape, (1, 6, 5)), options, home="cpu")
    for x, y, indices, _ in source.batches(0):
        assert (x.device.type, y.device.type, indices.device.type) == ("meta", "meta", "cpu")
        assert x.shape == (len(indices), 1, 6, 5)
    assert "on cpu" in source.description


def test_the_head_is_the_first_in_order(data):
    assert data.head(7).labels.tolist() == data.labels[:7].tolist()
    assert torch.equal(data.head(7).images, data.images[:7])
    assert data.head(None) is data
    assert data.head(N + 1) is data
    with pytest.raises(ValueError, match="at least 1"):
        data.head(0)
