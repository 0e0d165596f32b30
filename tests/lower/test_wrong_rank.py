"""An op of another rank than its input: one mistake, which is not reported again where its rank was assumed."""

import pytest

import archspec


def check(text):
    return [(d.code, d.span.line, d.hint) for d in archspec.check("archspec: 1\n" + text)]


SEQUENCE = """\
input: [12, 1000]
blocks:
  cbr:
    params: {c: int}
    body:
    - conv2d: {out_channels: $c, kernel_size: 3}
    - batch_norm1d
    - relu
stages:
  stem: [cbr: 8, max_pool1d: 2]
  body: {cbr: $(8 * 2 ** i), repeat: 3}
  head: [permute: [0, 2, 1], multi_head_attention: 4, mean: 1, linear: 10]
"""


def test_a_block_that_is_called_again():
    assert check(SEQUENCE) == [("SHAPE102", 7, "write `conv1d`")]
    assert not check(SEQUENCE.replace("conv2d", "conv1d"))


def test_other_places_are_reported():
    """What follows `max_pool1d` is a sequence for certain, so `conv2d` is wrong there too."""
    text = """\
input: [12, 1000]
stages:
  a: [conv2d: {out_channels: 8, kernel_size: 3}, batch_norm1d, max_pool1d: 2]
  b: [conv2d: {out_channels: 8, kernel_size: 3}, batch_norm1d, flatten, linear: 10]
"""
    assert [(code, line) for code, line, _ in check(text)] == [("SHAPE102", 4), ("SHAPE102", 5)]


@pytest.mark.parametrize(("written", "hint"), [
    ("input: [28, 28]", "an image has channels: write `input: [1, 28, 28]`"),
    ("input: {photo: [28, 28]}", "an image has channels: write `photo: [1, 28, 28]`"),
    ("input: [28, 27]", "write `conv1d`"),
])
def test_an_image_without_channels(written, hint):
    """Sizes that differ may be those of a sequence."""
    text = f"{written}\nstages:\n  a: [conv2d: {{out_channels: 8, kernel_size: 3}}, batch_norm2d, flatten, linear: 10]\n"
    assert check(text) == [("SHAPE102", 4, hint)]
    if "write `conv1d`" not in hint:
        assert not check(text.replace("[28, 28]", "[1, 28, 28]"))


@pytest.mark.parametrize(("given", "hint"), [
    ((28, 28), "an image has channels: write `--input 1x28x28`"),
    ((1, 3, 32, 32), "shapes have no batch: write `--input 3x32x32`"),
    ((32, 32, 3), "channels come first: write `--input 3x32x32`"),
])
@pytest.mark.parametrize("named", [False, True])
def test_an_input_that_an_option_gives(given, hint, named):
    """The hint is about the option, as the spec's own input is not what is wrong."""
    text = ("archspec: 1\nname: a\ninput: " + ("{photo: {shape: [3, 8, 8]}}" if named else "[3, 8, 8]")
            + "\nstages: {a: [conv2d: {out_channels: 8, kernel_size: 5}]}\n")
    with pytest.raises(archspec.SpecError) as caught:
        archspec.analyze(text, input={"photo": given} if named else given)
    (found,) = caught.value.diagnostics
    assert found.hint == (hint.replace("--input ", "--input photo=") if named else hint)
    assert found.fix is None


def test_mistakes_behind_an_image_without_channels():
    """The rank is the right one there, so what does not fit it is reported."""
    text = "input: [28, 28]\nstages:\n  a: [conv2d: {out_channels: 8, kernel_size: 3}, max_pool2d: 2, permute: [0, 1]]\n"
    assert [code for code, _, _ in check(text)] == ["SHAPE102", "SHAPE102"]
