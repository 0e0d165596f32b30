"""Which images become the validation set."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archspec.data.images import ImageData
from archspec.data.splits import Source, hold_out, labels_of, open_splits
from archspec.data.validation import (
    class_shares,
    default_to_test,
    held_out_images,
    resolve_validation,
    val_folder,
)
from archspec.diagnostics import SpecError
from archspec.language.recipe import Recipe
from tests.data.helpers import write_folder

COUNTS = st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(lambda counts: sum(counts) > sum(map(bool, counts)))


def recipe(**fields):
    return Recipe.model_validate({"data": "digits", "lr": 0.1, **fields})


def images(labels, classes):
    labels = torch.tensor(labels)
    numbered = torch.arange(len(labels), dtype=torch.int32).view(-1, 1, 1, 1)  # wide enough to tell them apart
    return ImageData(numbered, labels, tuple(map(str, range(classes))), "x", "train", "memory")


@given(COUNTS, st.data())
def test_each_class_gives_its_share_and_keeps_an_image(counts, draw):
    total = draw.draw(st.integers(1, sum(counts) - sum(map(bool, counts))))
    shares = class_shares(counts, total)
    assert sum(shares) == total
    enough = total >= sum(count > 1 for count in counts)
    for count, share in zip(counts, shares, strict=True):
        assert share <= max(0, count - 1)
        assert not (enough and count > 1 and share == 0)
    quotas = [total * count / sum(counts) for count in counts]
    if min(quotas) >= 1 and all(math.ceil(q) < count for q, count in zip(quotas, counts, strict=True)):
        assert all(math.floor(q) <= s <= math.ceil(q) for q, s in zip(quotas, shares, strict=True))


@given(COUNTS, st.integers(0, 99), st.data())
def test_the_parts_are_disjoint_and_whole_and_a_function_of_the_seed(counts, seed, draw):
    labels = draw.draw(st.permutations([k for k, count in enumerate(counts) for _ in range(count)]))
    total = draw.draw(st.integers(1, sum(counts) - sum(map(bool, counts))))
    data = images(labels, len(counts))
    train, held = hold_out(data, total, seed)
    numbers = train.images.flatten().tolist(), held.images.flatten().tolist()
    assert len(held) == total
    assert sorted(numbers[0] + numbers[1]) == list(range(len(labels)))
    assert set(labels_of(train).tolist()) == set(labels)
    assert [labels[n] for n in numbers[1]] == labels_of(held).tolist()
    again = hold_out(data, total, seed)
    assert torch.equal(again[1].images, held.images)
    assert (train.split, held.split) == ("train", "validation")


def test_another_seed_draws_others_and_order_is_the_data_set_s():
    data = images([k % 4 for k in range(200)], 4)
    drawn = {tuple(hold_out(data, 0.1, seed)[1].images.flatten().tolist()) for seed in range(5)}
    assert len(drawn) == 5
    for numbers in drawn:
        assert list(numbers) == sorted(numbers)
        assert [sum(n % 4 == k for n in numbers) for k in range(4)] == [5, 5, 5, 5]


@pytest.mark.parametrize(("counts", "wanted", "text"), [
    ([5, 5], 10, "`validation: 10` takes 10 of 10 training images, which leaves no image to train on"),
    ([5, 5], 11, "takes 11 of 10"),
    ([5, 5], 9, "which leaves some of the 2 classes no image to train on"),
    ([1, 1, 1], 0.1, "`validation: 0.1` takes 1 of 3 training images, which leaves some of the 3 classes no image"),
    ([5, 5], 0.99, "takes 10 of 10"),
])
def test_too_large_a_validation_set(counts, wanted, text):
    with pytest.raises(SpecError) as problem:
        held_out_images(counts, wanted)
    (found,) = problem.value.diagnostics
    assert found.code == "RUN370"
    assert text in found.message
    if found.hint.startswith("write"):
        assert held_out_images(counts, int(found.hint.rsplit(" ", 2)[1])) == sum(counts) - len(counts)


def test_a_small_share_is_one_image_at_least():
    assert held_out_images([5, 5], 0.001) == 1
    assert held_out_images([50, 50], 0.1) == 10


def test_what_a_recipe_leaves_open():
    assert resolve_validation(recipe()).validation is None
    assert resolve_validation(recipe(early_stopping=3)).validation == 0.1
    assert resolve_validation(recipe(early_stopping=3, validation="test")).validation == "test"
    assert resolve_validation(recipe(early_stopping=3, validation=20)).validation == 20
    assert default_to_test(recipe(early_stopping=3)).validation == "test"


def names(split):
    return None if split is None else sorted(path.name for path, _ in split.samples)


def splits(root, **fields):
    found = open_splits(Source(recipe(data=f"folder:{root}", **fields), 3))
    return found, [names(found.train), names(found.validation), names(found.test)]


def test_val_beside_test_is_used(tmp_path):
    write_folder(tmp_path, {"train": {"a": 3, "b": 3}, "val": {"a": 2, "b": 1}, "test": {"a": 1, "b": 1}})
    assert val_folder(f"folder:{tmp_path}") == tmp_path / "val"
    assert resolve_validation(recipe(data=f"folder:{tmp_path}")).validation == "val"
    for fields in ({}, {"validation": "val"}, {"early_stopping": 2}):
        found, parts = splits(tmp_path, **fields)
        assert list(map(len, parts)) == [6, 3, 2]
        assert f"the validation set is {tmp_path / 'val'} (3 images)" in found.notices[-1]


def test_val_that_is_not_used_is_named(tmp_path):
    write_folder(tmp_path, {"train": {"a": 4, "b": 4}, "val": {"a": 2, "b": 1}, "test": {"a": 1, "b": 1}})
    found, parts = splits(tmp_path, validation=2)
    assert list(map(len, parts)) == [6, 2, 2]
    assert f"{tmp_path / 'val'} is not used: the recipe says `validation: 2`" in found.notices
    found, parts = splits(tmp_path, validation="test")
    assert (parts[1], len(parts[0])) == (None, 8)
    assert f"{tmp_path / 'val'} is not used: the recipe says `validation: test`" in found.notices


def test_val_without_test_is_the_test_set(tmp_path):
    write_folder(tmp_path, {"train": {"a": 4, "b": 4}, "val": {"a": 2, "b": 1}})
    found, parts = splits(tmp_path)
    assert (parts[1], len(parts[2])) == (None, 3)
    assert f"{tmp_path} has no test: {tmp_path / 'val'} is its test set" in found.notices
    found, parts = splits(tmp_path, validation=0.25)
    assert list(map(len, parts)) == [6, 2, 3]
    with pytest.raises(SpecError) as problem:
        splits(tmp_path, validation="val")
    assert "RUN371" in str(problem.value)
    assert "has no test, so its val is the test set" in str(problem.value)


def test_a_folder_without_val(tmp_path):
    write_folder(tmp_path, {"train": {"a": 4, "b": 4}, "test": {"a": 2, "b": 1}})
    with pytest.raises(SpecError, match="has no val"):
        splits(tmp_path, validation="val")


def test_classes_without_a_validation_image_are_named(tmp_path):
    write_folder(tmp_path, {"train": {"a": 6, "b": 1}, "test": {"a": 1, "b": 1}})
    found, parts = splits(tmp_path, validation=2)
    assert list(map(len, parts)) == [5, 2, 2]
    assert "the validation set has no image of b" in found.notices


def test_the_limit_comes_first(tmp_path):
    write_folder(tmp_path, {"train": {"a": 10, "b": 10}, "test": {"a": 1, "b": 1}})
    source = Source(recipe(data=f"folder:{tmp_path}", validation=0.2), 3, limit_train=10)
    found = open_splits(source)
    assert (len(found.train), len(found.validation)) == (8, 2)


@pytest.mark.parametrize("name", ["valid", "Validation", "dev"])
def test_a_validation_folder_under_another_name_is_named(tmp_path, name):
    write_folder(tmp_path, {"train": {"a": 4, "b": 4}, name: {"a": 2, "b": 1}, "test": {"a": 1, "b": 1}})
    found, parts = splits(tmp_path)
    assert (parts[1], len(parts[0])) == (None, 8)
    assert f"{tmp_path / name} is not used: rename it to {tmp_path / 'val'} to make it the validation set" in found.notices
