"""A run's confusion matrix as data."""

import pytest

from archspec.diagnostics import SpecError
from archspec.train.report.confusion import Confusion
from archspec.train.report.confusion_data import NAME, Matrix, read_confusion, save_confusion


def test_what_is_written_is_read(tmp_path):
    counts = {(0, 0): 3, (1, 2): 4, (1, 0): 1}
    save_confusion(Confusion(("ä <b>", "b", "output 2"), 2, counts), tmp_path)
    assert read_confusion(tmp_path) == Matrix(("ä <b>", "b", "output 2"), 2, counts)


def test_a_link_is_not_followed_and_a_folder_is_an_error(tmp_path):
    (tmp_path / "other").mkdir()
    save_confusion(Confusion(("a",), 1, {(0, 0): 3}), tmp_path / "other")
    (tmp_path / NAME).symlink_to(tmp_path / "other" / NAME)
    assert read_confusion(tmp_path) is None
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).mkdir()
    with pytest.raises(SpecError, match="RUN313"):
        save_confusion(Confusion(("a",), 1, {(0, 0): 3}), tmp_path)
