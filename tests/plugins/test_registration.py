"""The decorators that register ops, data sets and losses, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

import archspec
from archspec.language.loss import LOSSES
from archspec.ops import OPS
from tests.plugins.helpers import mistakes, op_module, spec


def test_a_class_may_be_defined_again_as_in_a_notebook() -> None:
    scope: dict[str, Any] = {"__name__": "__main__"}
    for _ in range(2):
        exec(op_module("cell_op"), scope)
    assert OPS["cell_op"] is scope["CellOp"]
    assert mistakes(spec("cell_op")) == []


def test_two_modules_with_one_name_raise() -> None:
    exec(op_module("same_op"), {"__name__": "one"})
    with pytest.raises(ValueError, match="the op `same_op` is also in the plugin one"):
        exec(op_module("same_op"), {"__name__": "two"})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "mnist"}, "the data set `mnist` is built into archspec"),
        ({"name": "folder:x"}, "`folder:x` cannot be the name"),
        ({"classes": ()}, "needs a shape"),
        ({"shape": (1, 8)}, "needs a shape"),
    ],
)
def test_data_sets_that_are_refused(change: dict[str, Any], reason: str) -> None:
    known = {"name": "mine", "shape": (1, 8, 8), "classes": ("a", "b"), "train_size": 4, "test_size": 2}
    body = {**known, **change, "read": lambda self, split, root: None}
    with pytest.raises(ValueError, match=reason):
        archspec.register_dataset(type("Mine", (archspec.ImageDataset,), body))


def test_an_incomplete_data_set_is_refused() -> None:
    with pytest.raises(ValueError, match="`Mine` does not define `shape`, `classes`, `train_size`, `test_size`, `read`"):
        archspec.register_dataset(type("Mine", (archspec.ImageDataset,), {"name": "mine"}))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"kind": "mse", "__annotations__": {"kind": str}, "metrics": ("mae", "r2"), "compute": lambda self, outputs, targets: outputs.mean()}, "`mse` is built in"),
        ({"kind": "mine", "__annotations__": {"kind": str}, "metrics": ("mae", "r2")}, "does not define `compute`"),
        ({"kind": "mine", "__annotations__": {"kind": str}, "metrics": ("speed",), "compute": lambda self, outputs, targets: outputs.mean()}, "needs metrics"),
        ({"kind": "mine", "__annotations__": {"kind": str}, "compute": lambda self, outputs, targets: outputs.mean()}, "needs metrics"),
        ({"metrics": ("mae", "r2"), "compute": lambda self, outputs, targets: outputs.mean()}, "needs a name"),
    ],
)
def test_losses_that_are_refused(body: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        archspec.register_loss(type("Mine", (archspec.OwnLoss,), {"__module__": __name__, **body}))


@pytest.mark.parametrize(
    ("read", "message"),
    [
        ("return images.float(), labels", "has images (4, 1, 8, 8) of float32"),
        ("return images[:3], labels", "has images (3, 1, 8, 8) of uint8, its description says (4, 1, 8, 8)"),
        ("return images, labels + 1", "has labels from 1 to 2, it has 2 classes"),
        ("return images, labels[:2]", "has labels (2) of int64, expected 4 integers"),
        ("return images", "is not a tuple"),
        ("return 'x', labels", "has a str where a tensor is expected"),
        ("open('/no/such/file')", "cannot be read: FileNotFoundError"),
    ],
)
def test_what_a_data_set_reads_is_checked(read: str, message: str) -> None:
    from archspec.data.load import load

    text = f'''
import archspec, torch
@archspec.register_dataset
class Mine(archspec.ImageDataset):
    name, shape, classes, train_size, test_size = "mine", (1, 8, 8), ("a", "b"), 4, 2
    def read(self, split, root):
        images, labels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1])
        {read}
'''
    exec(text, {"__name__": "mine"})
    with pytest.raises(archspec.SpecError) as caught:
        load("mine", "train")
    (mistake,) = caught.value.diagnostics
    assert mistake.code == "RUN302"
    assert message in mistake.message
    assert mistake.hint == "correct `read` in the plugin mine"


@pytest.mark.parametrize("kind", sorted(LOSSES))
def test_a_table_has_the_targets_of_every_loss(kind: str) -> None:
    from archspec.data.table import _TARGETS

    assert LOSSES[kind].metrics[0] in _TARGETS  # those of plugins are among them, see `register_loss`
