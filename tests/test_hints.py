"""What hints say works: remedies that once did not, and the wrong example of every code's page."""

from __future__ import annotations

from dataclasses import replace

import pytest

import archspec
from archspec import api
from archspec.diagnostics import Diagnostic, Edit, Fix, SourceSpan
from archspec.diagnostics.codes import CODES
from archspec.language.names import _broken_rule as broken_rule
from archspec.language.names import _free as free_name
from tests.helpers import spec
from tests.hints import applied, failures, lost

PAGES = [c for c, page in CODES.items() if c.startswith(("SPEC", "SHAPE")) and page.wrong.kind == "yaml" and not page.wrong.files]


@pytest.mark.parametrize("code", PAGES)
def test_the_fix_of_a_wrong_example_removes_the_mistake(code: str) -> None:
    text = CODES[code].wrong.text
    found = api.examine(text, training=True)
    diagnostics = (*found.errors, *found.warnings)

    def check(source: str) -> tuple[Diagnostic, ...]:
        again = api.examine(source, training=True)
        return (*again.errors, *again.warnings)

    assert not failures(check, text, diagnostics, {})
    assert lost(diagnostics) == []
    for diagnostic in diagnostics:
        if diagnostic.fix is not None and len(diagnostics) == 1:
            assert check(applied(text, diagnostic.fix)) == (), diagnostic


BLOCK = """\
blocks:
  unit:
    params: {channels: int, stride: 1}
    body:
      - add:
          main: [conv2d: {out_channels: $channels, kernel_size: 3, padding: 1, stride: $stride}, relu]
          skip: []
"""

ONE = [  # each spec is valid after its fix
    ("{a: [relu: yes]}", ""), ("{a: [flatten: yes]}", ""), ("{a: [flatten: true]}", ""), ("\n  a:\n    - relu\n    - - tanh\n      - sigmoid", ""), ("{a: [leaky_relu: on]}", ""), ("{a: [hardswish: [yes, 2]]}", ""), ("{a: [{relu: , repeat: 2.0}]}", ""),
    ("{a: [{relu: , repeat: \"3\"}]}", ""), ("{a: [{relu: , repeat: $(4 / 2)}]}", ""),
    ("{a: [{relu: , repeat: $(0.5 * 4)}]}", ""), ("{a: [conv2d: {out_channels: \"8\", kernel_size: 3}]}", ""),
    ("{a: [conv2d: {out_channels: 8.0, kernel_size: 3}]}", ""), ("{a: [conv2d: {out_channels: 8, kernel_size: 3, bias: yes}]}", ""),
    ("{a: [dropout: \"0.5\"]}", ""), ("{a: [residual: \"8\"]}", ""), ("{a: [residual: 8.0]}", ""), ("{a: [relu: 3]}", ""),
    ("{a: [relu: {inplace: true}]}", None), ("{a: [max_pool2d: 9]}", ""), ("{a: [conv2d: {out_channels: 4, kernel_size: 12}]}", ""),
    ("{a: [max_pool2d: {kernel_size: 9, padding: 0}]}", ""), ("{a: [conv2d: {out_channels: 4, kernel_size: 3, groups: 2}]}", ""),
    ("{a: [conv2d: {out_channels: 6, kernel_size: 3}, group_norm: 4]}", ""), ("{a: [batch_norm1d]}", ""),
    ("{a: [conv2d: {out_channels: 4, kernel_size: 9, dilation: 9, padding: 4, padding_mode: reflect}]}", ""),
    ("{a: [channel_shuffle: 2]}", ""), ("{a: [instance_norm2d]}", ""),
    ("{a: [reshape: [3, 7]]}", ""),
    ("{a: [wide: [3, 2]]}", "blocks: {wide: {params: {sizes: list}, body: [linear: $sizes.0]}}\n"),
    ("{a: [flatten, linear: 12]}\ntrain: {data: cifar10, lr: 0.1}", ""),
    ("{a: [flatten, linear: 9]}\ntrain: {data: cifar10, lr: 0.1}", ""), ("{a: [[relu]]}", ""), ("{a: [relu: {}, [relu, tanh]]}", ""), ("{a: }", ""), ("{a: null}", ""),
    ("{a: [linear: width]}", "vars: {width: 4}\n"), ("{a: [linear: $widht]}", "vars: {width: 4}\n"),
    ("{a: [conv2d: {out_channels: 4, kernel_size: 3, in_channels: 3}]}", ""), ("{a: {relu: , name: x}}", ""),
    ("{a: [conv2d: {out_channels: 4, kernel_size: 3, filters: 4}]}", ""), ("{a: [relu]}", "vars: {n: 4, m: 3}\n"),
    ("{a: [{add: {x: [conv2d: {out_channels: 4, kernel_size: 1}], y: []}}]}", ""),
    ("{a: [conv2d: {out_channels: 8, kernel_size: 3, stride: 2, padding: same}]}", ""),
    ("{a: [unit: 3, unit: [8, 2]]}", BLOCK), ("{a: [unit: [3, 2]]}", BLOCK),
    ("{a: [conv2d: {out_channels: 8, kernel_size: 3, padding: sme}]}", ""),
    ("{a: [flatten, linear: 10, softmax: 1]}\ntrain: {data: cifar10, lr: 0.1}", ""),
    ("{a: [flatten, linear: 10]}\ntrain: {data: cifar11, lr: 0.1}", ""),
    ("{a: [flatten, linear: 10]}\ntrain: {data: cifar10, lr: 0.1, loss: l1}", ""),
    ("{a: [flatten, linear: 10]}\ntrain: {data: cifar10, lr: 0.1, learning_rate: 0.1}", ""),
    ("{a: [flatten, linear: 10]}\ntrain: {data: cifar10, lr: 0.1, epochs: \"3\"}", ""),
    ("{a: [flatten, linear: 10]}\ntrain: {data: cifar10, lr: 0.1, nesterov: on, momentum: 0.9}", ""),
]  # fmt: skip


@pytest.mark.parametrize(("stages", "head"), ONE, ids=[s for s, _ in ONE])
def test_a_spec_is_valid_after_the_fix(stages: str, head: str | None) -> None:
    text = spec(f"stages: {stages}", head or "")
    for _ in range(3):  # some have more than one mistake
        examined = api.examine(text, training=True)
        diagnostics = (*examined.errors, *examined.warnings)
        if not diagnostics:
            return
        if head is None:
            assert diagnostics[0].fix is None and diagnostics[0].hint == "it takes none"
            return
        assert diagnostics[0].fix is not None, f"{diagnostics[0]}"
        text = applied(text, diagnostics[0].fix)
    raise AssertionError(f"{text}\n{diagnostics}")


def test_the_input_that_suits_a_data_set() -> None:
    text = "archspec: 1\ninput: [32, 32, 3]\nstages: {a: [flatten, linear: 10]}\ntrain: {data: cifar10, lr: 0.1}\n"
    (found,) = archspec.check(text)
    assert (found.hint, found.fix is not None) == ("write `input: [3, 32, 32]`", True)
    assert found.fix and archspec.check(applied(text, found.fix)) == ()


def test_the_warm_up_is_a_field_of_the_recipe() -> None:
    text = spec("stages: {a: [flatten, linear: 10]}\ntrain: {data: cifar10, lr: 0.1, schedule: {cosine: {warmup: 2}}}")
    (found,) = archspec.check(text)
    assert found.hint == "write `warmup: …` beside `schedule`: it is a field of the recipe"
    assert archspec.check(text.replace("{cosine: {warmup: 2}}", "cosine, warmup: 2")) == ()


def test_fixes_of_a_block_style_file() -> None:
    text = """\
archspec: 1
input: [3, 8, 8]
vars:
  n: 4
stages:
  a:
    - linear: 5
    - conv2d:
        out_channels: 4
        kernel_size: 12
    - relu:
        3
  b:
    - tanh
    - flatten: no
"""
    while found := [d for d in (*archspec.check(text), *api.examine(text).warnings) if d.fix]:
        assert found[0].fix is not None
        text = applied(text, found[0].fix)
    assert archspec.check(text) == () or "relu" in str(archspec.check(text)[0]), text


@pytest.mark.parametrize("what", ["stage", "branch", "layer", "block", "var", "param"])
@pytest.mark.parametrize("name", [
    "half", "class", "input", "output", "_a", "__", "3d", "a-b", "caf\u00e9", "\u6f22\u5b57", "in", "i", "train", "params", "a b", "",
    "x" * 100 + "-", "re\u200blu", "type", "None", "-", "9", "buffers", "T_destination",
])  # fmt: skip
def test_the_name_that_is_proposed_is_one(what: str, name: str) -> None:
    if broken_rule(name, what) is not None:
        assert broken_rule(free_name(name), what) is None


@pytest.mark.parametrize(
    "text",
    [
        "{ *a \n",  # to close the bracket there makes the bracket a part of the alias
        "archspec: 1\n    - conv2d:\nstages: {}\n",  # the value goes on in the next line
        "  a: [\n    - conv2d:\n    - conv2d:\nrepeat: 2\n\"\n]\n",
    ],
)
def test_a_fix_that_does_not_help_is_not_offered(text):
    found = archspec.check(text)
    assert found
    assert not failures(archspec.check, text, found, {})


@pytest.mark.parametrize(("old", "new", "hint"), [
    ("dropout: 0.5", "dropout: 50", "write 0.5 for 50 %"),
    ("dropout: 0.5", "dropout: {p: 12.5}", "write 0.125 for 12.5 %"),
    ("dropout: 0.5", "dropout: 1.5", "write a value such as 0.5, the default"),
    ("dropout: 0.5", "dropout: 2", "write a value such as 0.5, the default"),
    ("dropout: 0.5", "dropout: -50", "write a value such as 0.5, the default"),
    ("lr: 0.1", "lr: 0.1, momentum: 90", "write 0.9 for 90 %"),
    ("lr: 0.1", "lr: 0.1, momentum: 100", "write a value such as 0.9"),  # 1 is too much as well
    ("lr: 0.1", "lr: 0.1, label_smoothing: 10", "write 0.1 for 10 %"),
    ("lr: 0.1", "lr: 0.1, optimizer: adam, betas: [90, 0.999]", "write 0.9 for 90 %"),
    ("lr: 0.1", "lr: 0,1", "write `0.1`"),
    ("dropout: 0.5", "dropout: 0,5", "write `0.5`"),
])
def test_numbers_in_per_cent_or_with_a_decimal_comma(old: str, new: str, hint: str) -> None:
    text = """archspec: 1
input: [1, 28, 28]
stages: {head: [flatten, dropout: 0.5, linear: 10]}
train: {data: fashion-mnist, batch_size: 64, epochs: 1, lr: 0.1}
"""
    (found,) = archspec.check(text.replace(old, new))
    assert found.hint == hint
    if "such as" not in hint:
        assert found.fix is not None
        assert not archspec.check(applied(text.replace(old, new), found.fix))


HIDDEN = """archspec: 1
input: [4, 8, 8]
blocks:
  unit: [conv2d: {out_channels: 4, kernel_size: 1, dilation: 1.5}]
stages:
  a: [conv2d: {out_channels: 4, kernel_size: 1}]
  b: [unit, relu]
  c: [conv2d: {out_channels: 4, kernel_size: 3}]
"""


@pytest.mark.parametrize(("line", "old", "new", "harm"), [
    (6, "1}]", "9}]", "breaks an earlier layer"),  # which was known before
    (8, "3}]", "9}]", None),  # this was hidden
    (2, "[4, 8, 8]", "[4, 8]", "breaks an earlier layer"),
    (4, "1.5", "1.5]", "breaks the syntax"),
    (4, "dilation", "dilatoin", "is still told"),
])
def test_a_wrong_hint_is_found(line: int, old: str, new: str, harm: str | None) -> None:
    (found,) = archspec.check(HIDDEN)
    assert found.code == "SPEC012"
    lines = HIDDEN.splitlines()
    planted = SourceSpan("<text>", line, lines[line - 1].index(old) + 1, len(old), lines[line - 1])
    right = SourceSpan("<text>", 4, lines[3].index("1.5") + 1, 3, lines[3])
    edits = (Edit(planted, new),) if line == 4 else (Edit(planted, new), Edit(right, "1"))
    wrong = failures(archspec.check, HIDDEN, [replace(found, fix=Fix(edits))], {})
    assert (harm or "") in "".join(wrong) and bool(wrong) == (harm is not None)


@pytest.mark.parametrize("recipe", [
    "{data: digits, lr: 0.1, FIELD}", "{data: digits, FIELD, lr: 0.1}", "{FIELD , data: digits, lr: 0.1}",
    "\n  data: digits\n  lr: 0.1\n  FIELD", "\n  FIELD\n  data: digits\n  lr: 0.1", "\n  FIELD  # why\n  data: digits\n  lr: 0.1",
])
@pytest.mark.parametrize("field", ["epochs: ", "epochs:", "schedule: ", "batch_size:  ", "epochs: null", "epochs: ~"])
@pytest.mark.parametrize("end", ["\n", ""])
def test_a_value_for_a_key_without_one_touches_nothing_else(recipe: str, field: str, end: str) -> None:
    whole = recipe.replace("FIELD", field)
    if ":}" in whole or ":," in whole:
        return  # the colon belongs to the key's name
    text = spec("stages: {a: [flatten, linear: 10]}", "").replace("[3, 8, 8]", "[1, 8, 8]") + f"train: {whole}{end}"
    (found,) = archspec.check(text)
    assert found.fix is not None
    assert archspec.check(applied(text, found.fix)) == ()
