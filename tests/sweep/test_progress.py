"""What a sweep prints while it runs."""

import io

from archspec.results.trials import Result
from archspec.sweep.progress import Progress


def test_values_are_shown_as_a_sweep_file_writes_them():
    stream = io.StringIO()
    varied = {"train.augment": {"horizontal_flip": 0.5}, "train.ema": None, "train.lr": 0.1, "train.nesterov": True}
    Progress(1, 0, stream).ended(Result("a", "lenet", varied, 3, "failed", "error[RUN310]: the loss is not finite"))
    assert stream.getvalue().startswith(
        '[1/1] lenet train.augment {"horizontal_flip": 0.5}, train.ema –, train.lr 0.1, train.nesterov true seed 3: '
    )
