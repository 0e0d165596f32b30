"""An input that is written with its batch: the hint is the input without it, and it is valid."""

import pytest

import archspec

CASES = [
    ("[1, 3, 32, 32]", "conv2d: {out_channels: 4, kernel_size: 3}", "[3, 32, 32]"),
    ("{x: [1, 1, 100]}", "conv1d: {out_channels: 4, kernel_size: 3}", "[1, 100]"),
    ("[1, 1, 28, 28]", "relu, max_pool2d: 2", "[1, 28, 28]"),
]


@pytest.mark.parametrize(("written", "layers", "right"), CASES)
def test_the_hint(written, layers, right):
    spec = f"archspec: 1\ninput: {written}\nstages: {{a: [{layers}]}}\n"
    (found,) = archspec.check(spec)
    name = "x" if "x" in written else "input"
    assert (found.code, found.hint) == ("SHAPE102", f"shapes have no batch: write `{name}: {right}`")
    (edit,) = found.fix.edits
    assert edit.text == right
    assert not archspec.check(spec.replace(written.removeprefix("{x: ").removesuffix("}"), right))


@pytest.mark.parametrize("written", ["[1, 16, 32, 32]", "[3, 3, 32, 32]", "[2, 1, 8, 8]"])
def test_a_volume_is_no_batch(written):
    (found,) = archspec.check(f"archspec: 1\ninput: {written}\nstages: {{a: [conv2d: {{out_channels: 4, kernel_size: 3}}]}}\n")
    assert found.hint == "write `conv3d`"


def test_hints_with_values_that_work():
    (softmax,) = archspec.check("archspec: 1\ninput: [8]\nstages: {a: [softmax]}\n")
    assert softmax.hint == "write `softmax: -1`"
    text = "archspec: 1\ninput: [3, 8, 8]\nvars: {w: 8}\nstages: {a: [conv2d: {out_channels: VALUE, kernel_size: 3}]}\n"
    for written, right in (("$w*2", "$(w*2)"), ("$w // 2 + 1", "$(w // 2 + 1)")):
        (found,) = archspec.check(text.replace("VALUE", written))
        assert found.hint == f"write `{right}` to compute, `$$` for the text `$`"
        assert not archspec.check(text.replace("VALUE", right))
    (found,) = archspec.check(text.replace("VALUE", "$w channels"))
    assert found.hint == "write `$(…)` to compute, `$$` for the text `$`"
