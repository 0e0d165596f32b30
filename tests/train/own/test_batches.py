"""Data sets of the user's own as batches: every form that is accepted, and what is wrong with the others."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from archspec.data.batches import BatchOptions
from archspec.data.order import epoch_order
from archspec.diagnostics import SpecError
from archspec.train.own.batches import Arguments, OwnBatches
from archspec.train.own.task import arguments_of
from archspec.types import BATCH, TensorType

X, Y = torch.arange(20.0).reshape(10, 2), torch.arange(10) % 3
ONE = Arguments(("input",))
TWO = Arguments(("left", "right"))


class Samples(Dataset):
    def __init__(self, make, n=10):
        self.make, self.n = make, n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return self.make(index)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(X, Y, strict=True))


def own(data, arguments=ONE, *, shuffle=False, steps=None, batch_size=4, at_least=0):
    options = BatchOptions(batch_size, shuffle, at_least=at_least)
    return OwnBatches(data, options, arguments, "train", steps=steps)


@pytest.mark.parametrize("data", [
    TensorDataset(X, Y), DataLoader(TensorDataset(X, Y), batch_size=4),
    [(X[:4], Y[:4]), (X[4:8], Y[4:8]), (X[8:], Y[8:])], [[X[:4], Y[:4]], [X[4:8], Y[4:8]], [X[8:], Y[8:]]],
    [{"input": X[:4], "label": Y[:4]}, {"input": X[4:8], "label": Y[4:8]}, {"label": Y[8:], "input": X[8:]}],
    Samples(lambda k: (X[k], Y[k])), Samples(lambda k: {"input": X[k], "label": int(Y[k])}),
    Samples(lambda k: (X[k].numpy().astype("float64"), int(Y[k]))),
], ids=lambda data: type(data).__name__)
def test_one_input_in_every_form(data):
    found = list(own(data).batches(0))
    assert [len(batch.y) for batch in found] == [4, 4, 2]
    assert torch.equal(torch.cat([batch.x for batch in found]), X)
    assert torch.equal(torch.cat([batch.y for batch in found]), Y)
    assert torch.equal(torch.cat([batch.indices for batch in found]), torch.arange(10))
    assert found[0].x.dtype == torch.float32


def test_a_stream_has_as_many_steps_as_are_asked_for():
    found = own(Stream(), steps=2)
    assert [len(batch.y) for batch in found.batches(0)] == [4, 4]
    assert len(found) == 2


def test_samples_are_shuffled_as_those_of_archspecs_own_data_sets_are():
    found = own(TensorDataset(X, Y), shuffle=True)
    for epoch in (0, 1):
        order = epoch_order(10, 0, epoch)
        assert torch.equal(torch.cat([batch.x for batch in found.batches(epoch)]), X[order])
    late = list(found.batches(1, start_step=2))
    assert torch.equal(late[0].x, X[epoch_order(10, 0, 1)[8:]])


def test_batches_in_their_own_order_go_on_from_a_step():
    data = [(X[:4], Y[:4]), (X[4:8], Y[4:8]), (X[8:], Y[8:])]
    for found in (own(data), own(DataLoader(TensorDataset(X, Y), batch_size=4))):
        late = list(found.batches(0, start_step=1))
        assert torch.equal(torch.cat([batch.x for batch in late]), X[4:])
        assert torch.equal(torch.cat([batch.indices for batch in late]), torch.arange(4, 10))


def test_a_pass_leaves_the_global_random_numbers_alone():
    found = own(TensorDataset(X, Y), shuffle=True)
    before = torch.random.get_rng_state()
    list(found.batches(0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_last_batch_that_is_too_small_is_left_out():
    assert [len(batch.y) for batch in own(TensorDataset(X[:9], Y[:9]), at_least=2).batches(0)] == [4, 4]


@pytest.mark.parametrize("data", [
    TensorDataset(X, X + 1, Y), Samples(lambda k: ((X[k], X[k] + 1), Y[k])),
    Samples(lambda k: ({"right": X[k] + 1, "left": X[k]}, Y[k])), Samples(lambda k: {"y": Y[k], "right": X[k] + 1, "left": X[k]}),
])
def test_two_inputs_come_in_the_networks_order(data):
    (batch, *_) = own(data, TWO).batches(0)
    assert [torch.equal(a, b) for a, b in zip(batch.x, (X[:4], X[:4] + 1), strict=True)] == [True, True]
    assert torch.equal(batch.y, Y[:4])


def test_a_modules_inputs_keep_their_names():
    class Two(nn.Module):
        def forward(self, left, right, scale=1.0):
            return left - scale * right

    arguments = arguments_of(Two())
    assert arguments == Arguments(("left", "right", "scale"), by_name=True)
    (batch,) = own([{"right": X + 1, "left": X, "target": Y}], arguments).batches(0)
    assert list(batch.x) == ["left", "right"]
    assert torch.equal(batch.x["left"], X) and torch.equal(batch.x["right"], X + 1)


def test_several_targets_are_a_mapping():
    (batch,) = own([{"input": X, "head": Y, "depth": X[:, 0]}]).batches(0)
    assert list(batch.y) == ["head", "depth"]
    assert torch.equal(batch.y["head"], Y) and torch.equal(batch.y["depth"], X[:, 0])


def test_some_samples():
    assert torch.equal(own(TensorDataset(X, Y)).some(3).y, Y[[0, 4, 9]])
    assert torch.equal(own([(X[:4], Y[:4]), (X[4:], Y[4:])]).some(6).x, X[:6])


TYPED = Arguments(("input",), (TensorType((BATCH, 2)),))
WORDS = Arguments(("tokens",), (TensorType((BATCH, 2), "int64", 5),))


@pytest.mark.parametrize(("data", "arguments", "message"), [
    (iter([(X, Y)]), ONE, "is an iterator (list_iterator), which ends after one pass"),
    (Stream(), ONE, "has no length (Stream)"), (3, ONE, "is of the type int"), (X, ONE, "is of the type Tensor"),
    ({"input": X}, ONE, "is of the type dict"), ([], ONE, "has no batch"),
    ([(X,)], ONE, "has batches of another form (tuple of 1)"), ([X], ONE, "has batches of another form (Tensor)"),
    ([{"image": X, "y": Y}], ONE, "has batches with image, y; the network's inputs are input"),
    ([{"input": X}], ONE, "has batches with input"), ([{"left": X, "y": Y}], TWO, "has batches with left, y"),
    ([(X, Y[:5])], ONE, "has a batch whose tensors have 5, 10 samples"),
    ([(X, torch.tensor(3))], ONE, "has a batch whose tensors have 0, 10 samples"),
    ([(X, ["a"] * 10)], ONE, "has targets of the type str"), ([("ab", Y)], ONE, "has inputs of the type str"),
    ([(X.to(torch.uint8), Y)], ONE, "has inputs of the type uint8"),
    (Samples(lambda k: (X[:k], Y[k])), ONE, "the samples of the data set do not make a batch"),
    ([(X[:, :1], Y)], TYPED, "has samples (1) for the input `input`"),
    ([(X.long(), Y)], TYPED, "has int64 for the input `input`, the network takes float32"),
    ([(X, X, Y)], TYPED, "has 2 inputs, the network takes input"),
    ([(X.long(), Y)], WORDS, "has 0 … 19 in the input `tokens`, which the network takes below 5"),
])
def test_what_is_wrong_with_data_is_told(data, arguments, message):
    with pytest.raises(SpecError, match="RUN322") as caught:
        list(own(data, arguments).batches(0))
    assert message in str(caught.value)


def test_an_iterable_that_ends_too_soon():
    class Short(list):
        def __len__(self):
            return 5

    with pytest.raises(SpecError, match="ended after 1 of 5 batches"):
        list(own(Short([(X, Y)])).batches(0))


@pytest.mark.parametrize(("targets", "message"), [
    (Y + 1, "the train data has the label 3, the network has 3 outputs"), (Y - 1, "has the label -1"),
    (Y.float(), "cross_entropy takes class numbers, the train data has float32 targets"),
])
def test_labels_that_are_no_classes(targets, message):
    found = own([(X, targets)])
    found.limits = {"": 3}
    with pytest.raises(SpecError, match="RUN323") as caught:
        list(found.batches(0))
    assert message in str(caught.value)


def test_ignored_labels_are_allowed():
    found = own([(X, torch.full((10,), -100))])
    found.limits = {"": 3}
    assert len(list(found.batches(0))) == 1


@pytest.mark.parametrize("data", [DataLoader(TensorDataset(X[:9], Y[:9]), batch_size=4), [(X[:4], Y[:4]), (X[4:5], Y[4:5])]])
def test_a_batch_that_is_too_small_for_a_norm_is_an_error(data):
    with pytest.raises(SpecError, match="has a batch with 1 sample, and the network's batch norm needs 2"):
        list(own(data, at_least=2).batches(0))
    dropped = DataLoader(TensorDataset(X[:9], Y[:9]), batch_size=4, drop_last=True)
    assert own(dropped, at_least=2).step_sizes == [4, 4]
