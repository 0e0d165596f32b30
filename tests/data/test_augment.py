"""Augmentation: each sample's own, and what torchvision's transforms do with the same numbers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional

from archspec.data.augment import ERASED_AREA, ERASED_RATIO, Augmentation, crop, erase, horizontal_flip
from archspec.data.counter import key_of, uniform

ALL = Augmentation(crop_padding=3, flip=0.5, erase=0.5)


def pictures(n=16, channels=3, height=12, width=10):
    generator = torch.Generator().manual_seed(n)
    return torch.randint(1, 256, (n, channels, height, width), dtype=torch.uint8, generator=generator)


@settings(deadline=None, max_examples=40)
@given(st.permutations(range(16)), st.integers(1, 16), st.integers(0, 5))
def test_a_sample_does_not_depend_on_its_batch(order, cut, epoch):
    images, order = pictures(), torch.tensor(order)
    together = ALL(images, torch.arange(16), 7, epoch)
    parts = [ALL(images[part], part, 7, epoch) for part in (order[:cut], order[cut:])]
    assert torch.equal(torch.cat(parts), together[order])


@pytest.mark.parametrize("augment", [
    Augmentation(crop_padding=3), Augmentation(flip=0.5), Augmentation(erase=0.5)
], ids=["crop", "flip", "erase"])
@pytest.mark.parametrize("other", [(1, 0), (0, 1)], ids=["seed", "epoch"])
def test_seed_and_epoch_change_it(augment, other):
    images, index = pictures(), torch.arange(16)
    assert torch.equal(augment(images, index, 0, 0), augment(images, index, 0, 0))
    assert not torch.equal(augment(images, index, 0, 0), augment(images, index, *other))


def test_crop_equals_padding_and_slicing():
    images = pictures()
    top, left = torch.randint(0, 7, (2, 16), generator=torch.Generator().manual_seed(0))
    expected = torch.stack([
        functional.crop(functional.pad(image, [3]), t, e, 12, 10)
        for image, t, e in zip(images, top.tolist(), left.tolist(), strict=True)
    ])
    assert torch.equal(crop(images, 3, top, left), expected)


def test_every_window_is_drawn_about_equally_often():
    """A dot in the middle shows where the window lay."""
    images = torch.zeros(9000, 1, 5, 5)
    images[:, :, 2, 2] = 1
    found = Augmentation(crop_padding=1)(images, torch.arange(9000), 0, 0)
    counts = found.sum((0, 1))[1:4, 1:4]
    assert found.sum() == 9000
    assert counts.min() > 850
    assert counts.max() < 1150


def test_flip_mirrors_the_chosen_images_only():
    images = pictures()
    chosen = torch.arange(16) % 3 == 0
    found = horizontal_flip(images, chosen)
    assert torch.equal(found[chosen], functional.horizontal_flip(images[chosen]))
    assert torch.equal(found[~chosen], images[~chosen])


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_flip_happens_as_often_as_asked(probability):
    images = torch.tensor([[[[0, 1]]]]).expand(4000, 1, 1, 2)
    found = Augmentation(flip=probability)(images, torch.arange(4000), 0, 0)
    assert found[:, 0, 0, 0].float().mean() == pytest.approx(probability, abs=0.03)


def test_erasing_blackens_one_rectangle_of_the_papers_size():
    n, side = 500, 40
    images = torch.ones(n, 2, side, side)
    found = erase(images, uniform(key_of(0, 0, "erase"), torch.arange(n), 41), 1.0)
    assert torch.equal(found[:, 0], found[:, 1])
    corners = []
    for picture in found[:, 0] == 0:
        rows, columns = picture.any(1).nonzero().flatten(), picture.any(0).nonzero().flatten()
        tall, wide = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
        assert picture.sum() == tall * wide  # nothing but the rectangle
        slack = (tall + 1) * (wide + 1) - tall * wide  # its sides are rounded
        assert ERASED_AREA[0] * side**2 - slack < tall * wide < ERASED_AREA[1] * side**2 + slack
        assert ERASED_RATIO[0] < (tall + 1) / wide
        assert tall / (wide + 1) < ERASED_RATIO[1]
        corners.append((int(rows[0]), int(columns[0])))
    assert len(set(corners)) > n / 2


def test_erasing_happens_as_often_as_asked_and_leaves_the_rest():
    images = pictures(400, 1, 20, 20)
    found = Augmentation(erase=0.3)(images, torch.arange(400), 0, 0)
    changed = (found != images).flatten(1).any(1)
    assert changed.float().mean() == pytest.approx(0.3, abs=0.08)
    assert torch.equal(found[found != images], torch.zeros_like(found[found != images]))


def test_where_no_rectangle_fits_the_image_stays_whole():
    images = torch.ones(50, 1, 1, 1)
    assert torch.equal(erase(images, uniform(1, torch.arange(50), 41), 1.0), images)


@pytest.mark.parametrize("fields", [{"crop_padding": -1}, {"flip": 1.5}, {"erase": -0.1}], ids=str)
def test_impossible_settings_are_refused(fields):
    with pytest.raises(ValueError, match="at least 0"):
        Augmentation(**fields)


def test_off_means_untouched():
    images = pictures()
    assert Augmentation()(images, torch.arange(16), 0, 0) is images
