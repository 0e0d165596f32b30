"""What the error about a non-finite value says: the place, the cause, a rate that works."""

import math

import pytest
import torch
from torch import nn

from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback
from archspec.train.loop import fit
from tests.train.helpers import CPU, batches, network, recipe
from tests.train.step.non_finite_helpers import IMAGES, At, Clock, broken, run, spoilt_network


def test_the_second_pass_draws_the_same_random_numbers():
    """With dropout the step's own mask must come again."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.Dropout(0.5), Overflow())
    with pytest.raises(SpecError) as caught:
        run(model, recipe())
    assert caught.value.diagnostics[0].notes[0] == "first not finite: the output of `3`"


class Overflow(nn.Module):
    """Infinite when dropout has left two certain numbers of the batch."""

    def forward(self, x):
        if self.training and x[0, 0].item() and x[1, 1].item():
            return x * math.inf
        return x


def test_bad_input_is_told_apart():
    chosen = recipe()
    train = batches(IMAGES, chosen)

    class Spoilt:
        step_sizes, description = train.step_sizes, ""

        def __len__(self):
            return len(train)

        def batches(self, epoch, start_step=0):
            for batch in train.batches(epoch, start_step):
                if 7 in batch.indices:
                    batch.x[batch.indices.tolist().index(7)] = math.nan
                yield batch

        def close(self):
            pass

    with pytest.raises(SpecError) as caught:
        fit(network(), Spoilt(), batches(IMAGES, chosen, shuffle=False), chosen, device=CPU)
    assert caught.value.diagnostics[0].notes[:2] == ("first not finite: the inputs", "in the images 7")


def test_bad_weights_are_told_apart():
    model = network()
    nn.init.constant_(model[5].weight, math.nan)
    with pytest.raises(SpecError, match="the loss is nan at step 1 of 5 in epoch 1 of 3") as caught:
        run(model, recipe())
    assert caught.value.diagnostics[0].notes[0] == "first not finite: `5.weight`, before the step"


def test_a_gradient_of_a_weight_alone():
    class Weighted(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return x + self.scale.sqrt()  # of nothing: its slope is infinite

    model = nn.Sequential(nn.Flatten(), Weighted(), nn.Linear(64, 4))
    with pytest.raises(SpecError, match=r"the gradient is not finite \(the loss is ") as caught:
        run(model, recipe())
    assert caught.value.diagnostics[0].notes[0] == "first not finite: the gradient of `1.scale`"


def test_gradients_too_large_to_be_squared():
    class Steep(nn.Module):
        def forward(self, x):
            return x + 1e25 * (x - x.detach())

    with pytest.raises(SpecError, match=r"the gradient is not finite \(the loss is ") as caught:
        run(nn.Sequential(nn.Flatten(), nn.Linear(64, 4), Steep()), recipe())
    assert caught.value.diagnostics[0].notes[0] == "first not finite: the norm of all gradients, although each gradient is finite"


def test_what_a_second_pass_does_not_show_is_said():
    class Once(nn.Module):
        done = False

        def forward(self, x):
            if self.training and not self.done:
                self.done = True
                return x * math.nan
            return x

    with pytest.raises(SpecError) as caught:
        run(nn.Sequential(nn.Flatten(), nn.Linear(64, 4), Once()), recipe())
    assert "in a second pass over the same images all numbers are finite" in caught.value.diagnostics[0].notes[0]


def test_a_second_pass_for_which_there_is_no_memory():
    class Once(nn.Module):
        done = False

        def forward(self, x):
            if self.done:
                raise torch.OutOfMemoryError("CUDA out of memory")
            self.done = True
            return x * math.nan

    with pytest.raises(SpecError, match="the loss is nan at step 1 of 5") as caught:
        run(nn.Sequential(nn.Flatten(), nn.Linear(64, 4), Once()), recipe())
    place, images, *_ = caught.value.diagnostics[0].notes
    assert place == "first not finite: unknown: memory was too short for a second pass"
    assert images.startswith("the step's images: ")


@pytest.mark.parametrize("backward", [False, True])
def test_a_batch_in_pieces(backward):
    """One piece is bad, and the step is."""
    spoiler = At(7, backward=backward)
    spoiler.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    sizes, clock, model = [], Clock(spoiler), spoilt_network(spoiler)

    class Cut(Callback):
        def on_start(self, run):
            run.state.micro_batch = 4

    with pytest.raises(SpecError, match="at step 3 of 5 in epoch 2 of 3") as caught:
        run(model, recipe(momentum=0.9), [clock, Cut()])
    place = "the gradient of `1`'s output" if backward else "the output of `2`"
    assert caught.value.diagnostics[0].notes[0] == f"first not finite: {place}"
    assert sizes[:3] == [4, 3, 3]


def test_the_hint_tells_the_rate_of_that_step_and_a_smaller_one():
    hint = "the rate was 0.01 there: try lr 0.01, or a warm-up"
    assert broken(At(7), recipe(schedule={"step": 1})).hint == hint
    assert broken(At(7), recipe(lr=0.5)).hint == "the rate was 0.5 there: try lr 0.05, or a warm-up"


@pytest.mark.parametrize(("fields", "lower"), [
    ({"lr": 1e30}, 0.1), ({"lr": 50.0}, 0.1), ({"lr": 0.9, "optimizer": "adam"}, 0.001),
    ({"lr": 0.002, "optimizer": "adamw"}, 0.0002),
], ids=str)
def test_the_smaller_rate_is_a_usual_one_or_a_tenth(fields, lower):
    assert broken(At(0), recipe(**fields)).hint.endswith(f" there: try lr {lower:g}, or a warm-up")
