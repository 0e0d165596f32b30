"""The confusion matrix against scikit-learn's, and its picture."""

import re
from xml.etree import ElementTree

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from archspec.svg import text_width
from archspec.train.report.confusion import Confusion, Tally, output_names
from archspec.train.report.confusion_picture import FAINTEST, READABLE, confusion_svg

SVG = "{http://www.w3.org/2000/svg}"


def tally(pairs, outputs, steps=3):
    """A tally of (label, prediction) pairs, in several steps."""
    found = Tally()
    for part in torch.tensor(pairs).tensor_split(min(steps, len(pairs))):
        found.add(torch.nn.functional.one_hot(part[:, 1], outputs).float(), part[:, 0])
    return found


PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=40)


@given(PAIRS)
@settings(deadline=None, max_examples=60)
def test_equals_scikit_learns_matrix(pairs):
    result = tally(pairs, 6).confusion("abcd")
    labels, predictions = zip(*pairs, strict=True)
    expected = confusion_matrix(labels, predictions, labels=range(6))
    assert result.matrix() == expected[:4][:, list(result.columns)].tolist()
    assert set(result.columns) == {0, 1, 2, 3} | set(predictions)  # others only where predicted
    assert result.images == len(pairs)
    assert result.accuracy == pytest.approx(sum(t == p for t, p in pairs) / len(pairs))


def test_per_class_and_what_each_is_taken_for():
    pairs = [(0, 0), (0, 0), (0, 1), (0, 4), (0, 4), (1, 1), (3, 0)]
    result = tally(pairs, 5).confusion(("cat", "dog", "cow", "hen"))
    assert [(c.name, c.images, c.right, c.accuracy) for c in result.per_class()] == [
        ("cat", 5, 2, 0.4), ("dog", 1, 1, 1.0), ("cow", 0, 0, None), ("hen", 1, 0, 0.0),
    ]
    assert [result.taken_for(k) for k in range(4)] == [("output 4", 2), None, None, ("cat", 1)]
    data = result.to_json()
    assert data["per_class"][0] == {"class": "cat", "images": 5, "right": 2, "accuracy": 0.4}
    assert data["confusion"]["columns"] == ["cat", "dog", "cow", "hen", "output 4"]
    assert data["confusion"]["rows"][0] == [2, 1, 0, 0, 2]


def cells_of(root):
    return [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "cell"]


@pytest.mark.parametrize("classes", [2, READABLE, READABLE + 1, 300])
def test_the_picture_holds_every_cell_inside_its_frame(classes):
    names = [f"<class & {k}>\x1b" for k in range(classes)]
    counts = {(k, k): 90 for k in range(classes)} | {(0, 1): 10, (1, 0): 123456}
    root = ElementTree.fromstring(confusion_svg(Confusion(tuple(names), classes, counts), "a < b"))
    width, height = float(root.get("width")), float(root.get("height"))
    cells = cells_of(root)
    assert len(cells) == classes + 2
    for cell in cells:
        assert 0 < float(cell.get("x")) <= width - float(cell.get("width"))
        assert 0 < float(cell.get("y")) <= height - float(cell.get("height"))
    assert len({(cell.get("x"), cell.get("y")) for cell in cells}) == classes + 2
    hovers = [cell.findtext(f"{SVG}title") for cell in cells]
    assert "<class & 0>\N{REPLACEMENT CHARACTER} taken for <class & 1>\N{REPLACEMENT CHARACTER}: 10 of 100" in hovers
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts[0] == "a < b"
    assert ("90" in texts) == (classes <= READABLE)


def test_the_shade_is_the_share_of_the_row():
    root = ElementTree.fromstring(confusion_svg(Confusion(("a", "b"), 2, {(0, 0): 1000, (1, 0): 1, (1, 1): 3}), ""))
    shades = [float(cell.get("fill-opacity")) for cell in cells_of(root)]
    assert shades == pytest.approx([1, FAINTEST + (1 - FAINTEST) / 4, FAINTEST + (1 - FAINTEST) * 3 / 4], abs=1e-3)


NAMES = {
    "latin": [f"class {k}" for k in range(10)],
    "chinese": ["飞机", "汽车", "鸟", "猫", "鹿", "狗", "青蛙和蟾蜍", "马", "船", "卡车" * 9],
    "korean": [f"{'고양이' * (k + 1)}" for k in range(10)],
    "accents": ["e\u0301" * (k + 1) for k in range(10)],
    "emoji": ["👩‍🔬" * (k + 1) for k in range(10)],
    "long": [f"a very long name of a class, of which there are ten, number {k}" for k in range(10)],
    "two": ["cat", "dog"],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_names_run_neither_into_the_title_nor_over_the_edge(names):
    counts = {(k, k): 1 for k in range(len(names))}
    title = "分類 on folder:写真/とても/長い/名前/の/フォルダー/です, test: 90.00% of 10"
    root = ElementTree.fromstring(confusion_svg(Confusion(tuple(names), len(names), counts), title))
    lowest, turned = 0.0, 0
    for text in root.iter(f"{SVG}text"):
        long = text_width(text.text, float(text.get("font-size", 12)))
        if (place := text.get("transform")) is not None:
            turned += 1
            _, y = map(float, re.match(r"translate\((\S+) (\S+)\)", place).groups())
            assert y - long >= lowest, "into the lines above"
        elif text.get("text-anchor") == "end":
            assert float(text.get("x")) - long >= 0
        elif text.get("text-anchor") is None:
            lowest = float(text.get("y"))
            assert float(text.get("x")) + long <= float(root.get("width"))
    assert turned == len(names)


def test_names_that_are_cut_alike_get_their_number():
    root = ElementTree.fromstring(confusion_svg(Confusion(tuple(NAMES["long"]), 10, {(0, 0): 1}), "t"))
    labels = [text.text for text in root.iter(f"{SVG}text") if text.get("text-anchor") == "end"]
    assert len(set(labels)) == 10
    assert labels[3].startswith("3 a very")


def test_a_class_without_an_image_has_a_dash():
    root = ElementTree.fromstring(confusion_svg(Confusion(("a", "b"), 2, {(0, 1): 3}), "t"))
    assert [text.text for text in root.iter(f"{SVG}text")][-1] == "–"


def test_names_of_outputs():
    assert output_names(("a", "b"), 4) == ("a", "b", "output 2", "output 3")
    assert output_names((), 2) == ("output 0", "output 1")
