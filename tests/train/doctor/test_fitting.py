"""Over-fitting: seen where it is, and not where a test loss is merely noisy."""

import pytest

from archspec.train.doctor.fitting import overfits
from archspec.train.summary import EpochResult
from tests.train.doctor.helpers import history


def run_of(train, test):
    seen = history([1.0] * 10)
    losses = zip(train, test, strict=True)
    seen.epochs = [EpochResult(k, a, 0.9, b, 0.8, 1.0, 1.0) for k, (a, b) in enumerate(losses, 1)]
    return seen


def test_the_gap_grows_while_the_test_loss_rises():
    finding = overfits(run_of([1.0, 0.7, 0.5, 0.4, 0.3, 0.2], [1.1, 0.8, 0.75, 0.88, 0.95, 1.1]))
    assert (finding.code, finding.title, finding.step) == ("RUN348", "over-fitting since epoch 3", 10)
    assert [fact.values["epoch"] for fact in finding.evidence] == [3, 6]
    assert [fact.values["gap"] for fact in finding.evidence] == pytest.approx([0.25, 0.9])
    assert finding.advice.startswith("stop after 3 epochs")


@pytest.mark.parametrize(("train", "test"), [
    pytest.param([], [], id="no-epoch"),
    pytest.param([1.0, 0.8, 0.6, 0.4, 0.2], [1.0, 0.9, 0.8, 0.95, 1.1], id="two-bad-epochs"),
    pytest.param([1.0, 0.5, 0.4, 0.3, 0.2], [1.0, 0.5, 0.55, 0.57, 0.56], id="risen-a-little"),
    pytest.param([1.0, 0.5, 0.4, 0.3, 0.2], [1.0, 0.5, 0.9, 0.9, 0.55], id="came-back"),
    pytest.param([1.0, 0.5, 0.6, 0.7, 0.8], [1.0, 0.5, 0.7, 0.9, 1.2], id="both-rise"),
    pytest.param([9.0, 8.0, 7.0, 6.0, 5.0], [7.0, 6.0, 8.0, 9.0, 10.0], id="never-learned"),
    pytest.param([0.02, 0.01, 0.009, 0.008, 0.007], [0.03, 0.02, 0.03, 0.03, 0.03], id="tiny-losses"),
    # lenet_relu and cnn28 on all of Fashion-MNIST
    pytest.param([0.598, 0.372, 0.321, 0.293, 0.271, 0.254, 0.238, 0.225, 0.216, 0.212],
                 [0.392, 0.322, 0.314, 0.290, 0.278, 0.272, 0.267, 0.258, 0.256, 0.255], id="lenet_relu"),
    pytest.param([0.511, 0.321, 0.274, 0.240, 0.218, 0.195], [0.374, 0.296, 0.284, 0.254, 0.237, 0.228], id="cnn28"),
])
def test_what_is_none(train, test):
    assert overfits(run_of(train, test)) is None
