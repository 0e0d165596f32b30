"""What a data set needs to suit a network, and when it cannot."""

import pytest

from archspec.data.plan import check_classes, plan
from archspec.diagnostics import SpecError


@pytest.mark.parametrize(("data", "wanted", "notices"), [
    pytest.param((1, 28, 28), (1, 28, 28), (), id="as-it-is"),
    pytest.param((1, 28, 28), (1, 96, 64), ("images are resized from 28×28 to 96×64",), id="resized"),
    pytest.param((3, None, None), (3, 96, 96), ("images are resized to 96×96",), id="of-any-size"),
    pytest.param(
        (1, 28, 28), (3, 28, 28), ("d is grey: its channel is repeated for the network's three channels",), id="grey"
    ),
])
def test_what_is_done_is_told(data, wanted, notices):
    found = plan("d", data, wanted)
    assert (found.channels, *found.size) == wanted
    assert found.notices == notices


@pytest.mark.parametrize(("data", "wanted", "message", "hint"), [
    pytest.param((3, 32, 32), (1, 28, 28), "d has 3 channels, the network's input (1, 28, 28) has 1",
                 "write `input: [3, 28, 28]`", id="colour-to-grey"),
    pytest.param((1, 28, 28), (2, 28, 28), "d has 1 channel, the network's input (2, 28, 28) has 2",
                 "write `input: [1, 28, 28]`", id="grey-to-two"),
    pytest.param((1, 28, 28), (784,), "d has images, the network's input (784) is not the shape of an image",
                 "write `input: [channels, height, width]`", id="vector"),
])
def test_what_does_not_suit_is_refused(diagnostic, data, wanted, message, hint):
    found = diagnostic(plan, "d", data, wanted)
    assert (found.code, found.message, found.hint) == ("RUN303", message, hint)


def test_one_mean_stands_for_every_channel():
    found = plan("d", (3, 8, 8), (3, 8, 8), mean=[0.5], std=(0.1, 0.2, 0.3))
    assert (found.mean, found.std) == ((0.5, 0.5, 0.5), (0.1, 0.2, 0.3))


def test_a_wrong_number_of_means_is_refused(diagnostic):
    found = diagnostic(plan, "d", (3, 8, 8), (3, 8, 8), mean=(0.5, 0.5))
    assert found.message == "`normalize` has 2 numbers as mean, the network's input has 3 channels"


def test_too_few_outputs_are_refused(diagnostic):
    check_classes("d", 10, 10)
    check_classes("d", 10, 1000)
    found = diagnostic(check_classes, "d", 10, 9)
    assert (found.code, found.hint) == ("RUN303", "make the last layer `linear: 10`")


def test_a_trained_network_is_not_told_to_change_its_last_layer() -> None:
    with pytest.raises(SpecError) as caught:
        check_classes("cifar100", 100, 10, trained=True)
    assert caught.value.diagnostics[0].hint == "use data of at most 10 classes, or train a network with 100 outputs"
