"""Tables of targets beside images: columns, splits, targets of each loss, and what is wrong with a table."""

import csv
import os

import numpy as np
import pytest
import torch
from PIL import Image

import archspec
from archspec.cli import run as command_line
from archspec.data.splits import Source, hold_out, open_splits
from archspec.data.table import open_table
from archspec.diagnostics import SpecError
from archspec.language.recipe import Recipe

HEAD = ("image", "split", "age", "bright", "kind")


@pytest.fixture
def table(tmp_path):
    """Ten grey images, whose brightness is their age."""
    rows = []
    for k in range(10):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(np.full((4, 4), 20 * k, np.uint8)).save(tmp_path / "images" / f"{k}.png")
        split = "train" if k < 6 else "val" if k < 8 else "test"
        rows.append((f"images/{k}.png", split, k / 10, int(k >= 5), ("cat", "dog")[k % 2]))
    return written(tmp_path / "labels.csv", HEAD, rows)


def written(path, head, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def changed(path, change):
    """The table with its rows changed: a function of a row's number and the row as a mapping."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [change(k, dict(row)) for k, row in enumerate(rows)]
    return written(path, rows[0].keys(), [row.values() for row in rows])


def name(path, query="target=age"):
    return f"table:{path}?{query}"


def test_numbers_of_a_split(table):
    data = open_table(name(table), "train", 1, "mse")
    assert [path.name for path, _ in data.samples] == [f"{k}.png" for k in range(6)]
    assert torch.allclose(data.targets_of(torch.tensor([0, 9])), torch.tensor([[0.0], [0.9]]))
    assert data.classes == ("age",)
    assert [len(open_table(name(table), split, 1, "mse")) for split in ("validation", "test")] == [2, 2]


def test_labels_and_classes(table):
    bits = open_table(name(table, "target=bright"), "test", 1, "bce")
    assert bits.targets_of(torch.tensor([4, 5])).tolist() == [[0.0], [1.0]]
    classes = open_table(name(table, "target=kind"), "test", 1, "cross_entropy")
    assert classes.classes == ("cat", "dog")
    assert classes.targets_of(torch.tensor([8, 9])).tolist() == [0, 1]


def test_classes_that_are_numbers_are_in_their_order(table):
    path = changed(table, lambda k, row: row | {"kind": str((9, 10, 100)[k % 3])})
    assert open_table(name(path, "target=kind"), "train", 1, "cross_entropy").classes == ("9", "10", "100")


def test_without_a_split_a_fifth_is_the_test_set_always_the_same(table):
    path = changed(table, lambda k, row: {"image": row["image"], "age": row["age"]})
    train, test = (open_table(f"table:{path}", split, 1, "mse") for split in ("train", "test"))
    assert (len(train), len(test)) == (8, 2)
    assert not {path for path, _ in train.samples} & {path for path, _ in test.samples}
    assert test.samples == open_table(f"table:{path}", "test", 1, "mse").samples
    assert "2 of 10 rows, always the same, are the test set" in test.notices[0]


def test_a_recipe_names_the_columns(table):
    written = {"table": str(table), "target": ["age", "bright"], "split": "split"}
    recipe = Recipe.model_validate({"data": written, "lr": 0.1, "loss": "mse", "validation": "val"})
    assert recipe.data == name(table, "target=age&target=bright&split=split")
    splits = open_splits(Source(recipe, 1))
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [6, 2, 2]
    assert Recipe.model_validate({"data": {"table": "a b?.csv", "image": "file"}, "lr": 1}).data == "table:a b%3F.csv?image=file"


def test_a_validation_set_is_held_out_of_regression_too(table):
    train, held = hold_out(open_table(name(table), "train", 1, "mse"), 2, 0)
    assert (len(train), len(held)) == (4, 2)


def test_parquet_is_the_same_as_csv(table, tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import csv as pa_csv
    from pyarrow import parquet

    parquet.write_table(pa_csv.read_csv(table), tmp_path / "labels.parquet")
    for query, kind in (("target=age", "mse"), ("target=bright", "bce"), ("target=kind", "cross_entropy")):
        one, other = (open_table(name(path, query), "train", 1, kind) for path in (table, tmp_path / "labels.parquet"))
        assert (one.samples, one.classes) == (other.samples, other.classes)
        assert torch.equal(one.targets, other.targets)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(SpecError, match="is not Parquet"):
        open_table(f"table:{tmp_path / 'broken.parquet'}", "train", 1, "mse")
    assert pa


MISTAKES = [
    (lambda k, row: row | {"image": f"gone/{k}.png"} if k in (2, 5) else row, "mse", "target=age",
     "2 images of the table", "gone/2.png, gone/5.png"),
    (lambda k, row: row | {"image": "../x.png"} if k == 1 else row, "mse", "target=age", "must be in its folder", "../x.png"),
    (lambda k, row: row | {"image": "/etc/x.png"} if k == 1 else row, "mse", "target=age", "must be in its folder", "/etc"),
    (lambda k, row: row | {"age": "old"} if k == 3 else row, "mse", "target=age", "row 5 of the table", "`old` as `age`"),
    (lambda k, row: row | {"age": "nan"} if k == 3 else row, "l1", "target=age", "row 5 of the table", "a number"),
    (lambda k, row: row | {"age": ""} if k == 0 else row, "huber", "target=age", "row 2", "nothing as `age`"),
    (lambda k, row: row, "bce", "target=age", "row 3", "which must be 0 or 1"),
    (lambda k, row: row, "cross_entropy", "target=age&target=kind", "one column of classes", "age, kind"),
    (lambda k, row: row | {"kind": ""} if k == 9 else row, "cross_entropy", "target=kind", "row 11", "a class"),
    (lambda k, row: row, "mse", "target=weight", "has no column `weight`", "image, split, age, bright, kind"),
    (lambda k, row: row | {"split": "tset"} if k == 9 else row, "mse", "target=age", "row 11", "the split `tset`"),
    (lambda k, row: row | {"split": "test"}, "mse", "target=age", "has no row whose `split` is train", "mark"),
    (lambda k, row: {key: row[key] for key in row if key != "image"}, "mse", "target=age", "has no column `image`", "split"),
    (lambda k, row: {key: row[key] for key in ("image", "split")}, "mse", "", "has no column of targets", "add a column"),
]


@pytest.mark.parametrize(("change", "kind", "query", "message", "more"), MISTAKES)
def test_what_is_wrong_with_a_table(table, change, kind, query, message, more):
    with pytest.raises(SpecError, match="RUN324") as caught:
        open_table(name(changed(table, change), query), "train", 1, kind)
    assert message in str(caught.value)
    assert more in str(caught.value)


def test_no_link_is_followed(table, tmp_path):
    os.symlink(tmp_path / "images", tmp_path / "linked")
    linked = changed(table, lambda k, row: row | {"image": row["image"].replace("images", "linked")})
    with pytest.raises(SpecError, match="without links"):
        open_table(name(linked), "train", 1, "mse")
    os.symlink(table, tmp_path / "link.csv")
    with pytest.raises(SpecError, match="link"):
        open_table(name(tmp_path / "link.csv"), "train", 1, "mse")


@pytest.mark.parametrize(("text", "message"), [
    ("", "has no rows"), ("image,age\n", "has no rows"), ("image,age\na.png\n", "row 2 of the table"),
    ("image,image\na,b\n", "two columns of one name"), ('image,age\n"a,1\n', "is not CSV"),
])
def test_files_that_are_no_table(tmp_path, text, message):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(SpecError, match="RUN324") as caught:
        open_table(f"table:{path}", "train", 1, "mse")
    assert message in str(caught.value)
    with pytest.raises(SpecError, match="does not exist"):
        open_table("table:nowhere.csv", "train", 1, "mse")


SPEC = """
archspec: 1
input: [1, 4, 4]
stages: {{head: [flatten, linear: {outputs}]}}
train: {{data: {{table: {path}, target: {target}}}, loss: {loss}, lr: 0.1, batch_size: 4, epochs: {epochs}}}
"""


@pytest.mark.parametrize(("target", "loss", "outputs", "metric"), [
    ("[age, bright]", "mse", 2, "r2"), ("[bright]", "{bce: {class_weights: balanced}}", 1, "f1"),
    ("kind", "cross_entropy", 2, "accuracy"),
])
def test_training_from_a_table(table, tmp_path, target, loss, outputs, metric):
    text = SPEC.format(path=table, target=target, loss=loss, outputs=outputs, epochs=2)
    found = archspec.train(text, progress=False, device="cpu", run_dir=tmp_path / "run")
    assert metric in found.metrics
    assert command_line(["evaluate", str(tmp_path / "run"), "--device", "cpu", "--json"]) == 0


def test_regression_learns_the_brightness(table):
    text = SPEC.format(path=table, target="age", loss="mse", outputs=1, epochs=60)
    found = archspec.train(text, progress=False, device="cpu", doctor=False, optimizer="adam", lr=0.02)
    assert found.metrics["mae"] < 0.15


def test_a_network_of_another_width(table):
    text = SPEC.format(path=table, target="[age, bright]", loss="mse", outputs=3, epochs=1)
    with pytest.raises(SpecError, match=r"RUN323.*2 targets \(age, bright\), the network's output `head` is"):
        archspec.train(text, progress=False, device="cpu")


def test_mistakes_in_the_name_of_a_table():
    for data, message in (({"target": "a"}, "must have `table`"), ({"table": "a", "column": "b"}, "has no field `column`")):
        found = archspec.check({"archspec": 1, "input": [1, 4, 4], "stages": {"a": ["flatten", {"linear": 1}]},
                                "train": {"data": data, "lr": 0.1, "loss": "mse"}})
        assert [d.code for d in found] == ["SPEC060"]
        assert message in found[0].message


def test_an_image_that_is_a_link_is_not_read_even_beside_others(table, tmp_path):
    """Folders are looked at once for all their images, the images one by one."""
    os.symlink(tmp_path / "images" / "0.png", tmp_path / "images" / "link.png")
    linked = changed(table, lambda k, row: row | ({"image": "images/link.png"} if k == 9 else {}))
    with pytest.raises(SpecError, match=r"1 image of the table .* without links: images/link.png"):
        open_table(name(linked), "train", 1, "mse")
    dangling = changed(table, lambda k, row: row | ({"image": "images/gone.png"} if k == 9 else {}))
    os.symlink(tmp_path / "nowhere", tmp_path / "images" / "gone.png")
    with pytest.raises(SpecError, match=r"1 image of the table .* do not exist: images/gone.png"):
        open_table(name(dangling), "train", 1, "mse")
