"""Misspelt definitions: told once, where they are; one `--fix` gives back the text."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import archspec
from archspec.api import examine
from archspec.cli import run
from tests.helpers import assert_form, assert_marked, write

TEXT = """\
archspec: 1
input: {image: [3, 16, 16], second: [3, 16, 16]}
vars: {width: 8, repeats: 2}
blocks:
  unit:
    params: {channels: int, stride: 1, activation: relu}
    body:
      - {conv2d: {out_channels: $channels, kernel_size: 3, stride: $stride, padding: 1}, name: entry}
      - {batch_norm2d: , repeat: $repeats}
      - $activation
      - sub: {a: [{from: entry}, $activation], b: []}
      - add: {a: [], b: {from: entry}}
stages:
  stem: [{unit: {channels: $width, stride: 2}, from: image}, {unit: $width, repeat: $repeats}]
  tower: {share: stem, from: second}
  joined: [add: {a: {from: stem}, b: {from: tower}}, {tanh: , name: bounded}, add: {a: {from: bounded}, b: [{from: bounded}, relu]}]
  finer: [add: {a: [{from: image}, unit: {channels: $width, stride: 2}], b: [{from: second}, unit: [8, 2]]}, add: {a: [], b: {from: joined}}]
  head: [flatten, linear: 10]
  helper: [{flatten: , from: joined}, linear: 10]
outputs: {head: always, helper: training}
expect: {joined: [8, 8, 8], tower: [8, 8, 8], head: [10], helper: [10]}
"""
DEFINITIONS = {  # kind: where it is written, its name misspelt, how many places refer to it, and one of these
    "input": ("{«image»:", "imgae", 2, "from: «image»}, {"), "second input": (", «second»:", "secnod", 2, "from: «second»}\n"),
    "var": ("{«width»:", "widht", 3, "unit: $«width»"), "second var": ("«repeats»: 2", "repaets", 2, "repeat: $«repeats»}]"),
    "block": ("  «unit»:", "uint", 4, "{«unit»: $width,"), "param": ("{«channels»: int", "chanels", 3, "{unit: {«channels»:"),
    "second param": ("«stride»: 1,", "srtide", 3, "stride: $«stride»"), "layer param": ("«activation»:", "activtion", 2, "- $«activation»"),
    "layer of a block": ("name: «entry»", "enrty", 2, "b: {from: «entry»"), "stage": ("«stem»: [", "stme", 2, "share: «stem»"),
    "shared stage": ("«tower»: {", "towre", 2, "from: «tower»"), "joined stage": ("«joined»: [add", "jioned", 3, "{«joined»: [8"),
    "layer": ("name: «bounded»", "buonded", 2, "[{from: «bounded»"), "output": ("\n  «head»:", "haed", 2, "{«head»: always"),
    "training output": ("\n  «helper»:", "hepler", 2, "«helper»: training"),
}
MISTAKES = {  # elsewhere: what is written, what instead, and what that leads to
    "no $": ("unit: $width", "unit: width", {"SPEC024"}), "op": ("{tanh:", "{tnah:", {"SPEC020"}), "field": ("kernel_size:", "kernel_szie:", {"SPEC010"}),
    "section of blocks": ("blocks:", "blcoks:", {"SPEC010"}), "section of stages": ("stages:", "stagse:", {"SPEC010"}), "key of a block": ("params:", "parmas:", {"SPEC010"}),
    "key of a layer": ("repeat: $repeats}\n", "repaet: $repeats}\n", {"SPEC010"}), "number in quotes": ("linear: 10]\n  helper", 'linear: "10"]\n  helper', {"SPEC012"}),
}


def check(text: str) -> list[str]:
    """The codes of all mistakes; every message has its form."""
    found = archspec.check(text)
    for diagnostic in found:
        assert_form(diagnostic)
    return [d.code for d in found]


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def plain(text: str) -> str:
    return text.replace("«", "").replace("»", "")


def misspelt(kind: str, text: str = TEXT, *, use: bool = False) -> str:
    """The text with the definition of this kind, or one of its uses, misspelt, in «marks»."""
    definition, name, _, used = DEFINITIONS[kind]
    place = used if use else definition
    return replaced(text, plain(place), re.sub("«.*»", f"«{name}»", place))


def fixed(folder: Path, text: str) -> str:
    """The text after one `archspec validate --fix`."""
    path = write(folder, {"spec.yaml": text})
    run(["validate", str(path), "--fix"])
    return path.read_text(encoding="utf-8")


def test_the_text_is_right() -> None:
    assert check(TEXT) == []


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_alone(kind: str, tmp_path: Path) -> None:
    text, (_, name, uses, _) = misspelt(kind), DEFINITIONS[kind]
    (found,) = assert_marked(text, ("SPEC029", f" `{name}`"))
    assert f"{uses} places refer to " in found.message
    assert len(found.related) == uses
    assert found.fix is not None and found.fix.safe
    assert fixed(tmp_path, plain(text)) == TEXT


@pytest.mark.parametrize("other", MISTAKES)
@pytest.mark.parametrize("kind", DEFINITIONS)
def test_with_another_mistake(kind: str, other: str, tmp_path: Path) -> None:
    old, new, codes = MISTAKES[other]
    alone = check(replaced(TEXT, old, new))
    assert set(alone) == codes
    text = plain(misspelt(kind, replaced(TEXT, old, new)))
    assert sorted(check(text)) == sorted(["SPEC029", *alone])
    assert fixed(tmp_path, text) == TEXT


@pytest.mark.parametrize("second", DEFINITIONS)
@pytest.mark.parametrize("first", DEFINITIONS)
def test_two(first: str, second: str, tmp_path: Path) -> None:
    text = plain(misspelt(first)) if first == second else plain(misspelt(second, misspelt(first)))
    assert check(text) == ["SPEC029"] * (1 + (first != second))
    assert fixed(tmp_path, text) == TEXT


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_a_definition_that_is_referred_to_is_right(kind: str, tmp_path: Path) -> None:
    """The other uses are wrong then, and every hint says so."""
    name = DEFINITIONS[kind][1]
    text = plain(misspelt(kind, misspelt(kind), use=True))
    found = archspec.check(text)
    assert found and "SPEC029" not in {d.code for d in found}
    assert all({e.text for e in d.fix.edits} == {name} for d in found if d.fix is not None)
    assert check(fixed(tmp_path, text)) == []


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_a_misspelt_use_beside_right_ones(kind: str) -> None:
    text = plain(misspelt(kind, use=True))
    codes = {d.code for d in archspec.check(text)}
    assert codes and "SPEC029" not in codes


# -- other texts -----------------------------------------------------------------------------------------------------

HEAD = "archspec: 1\ninput: [3, 8, 8]\n"
RECIPE = "\ntrain: {data: cifar10, epochs: 1, batch_size: 8, optimizer: sgd, lr: 0.1"


@pytest.mark.parametrize("text", [
    # in parts of a recipe alone
    HEAD + "stages: {«backbnoe»: [flatten, linear: 8], head: {linear: 10}}" + RECIPE + ", recompute: backbone, lr_scale: {backbone.linear_1: 2}}",
    HEAD + "stages: {«backbnoe»: [flatten, linear: 8], head: {linear: 10}}" + RECIPE + ", recompute: [backbone]}\nrecipes: {other: {recompute: backbone}}",
    # one use whose field has the same name, so that two places spell it so
    HEAD + "blocks: {unit: {params: {channels: int, «srtide»: 1}, body: [conv2d: {out_channels: $channels, kernel_size: 1, stride: $stride}]}}\nstages: {a: {unit: 4}}",
    # names with numbers, of which the similar ones are referred to
    HEAD + "stages: {e1: relu, «hcad4»: relu, head2: relu, b: {identity: , from: head2}, c: [add: {x: [], y: {from: head4}}, add: {x: [], y: {from: head4}}, add: {x: [], y: {from: e1}}]}",
    HEAD + "stages: {stage4e: relu, «satge4a»: relu, b: relu, c: [add: {x: [], y: {from: stage4a}}, add: {x: [], y: {from: stage4a}}]}",
    # several wrong spellings: the one that most places have
    HEAD + "vars: {«widht»: 4}\nstages: {a: [flatten, linear: $width, linear: $width, linear: $width]}",
    # a standard block of that name: without this definition it would be taken
    HEAD + "blocks: {«resdiual»: {params: {channels: int}, body: [conv2d: {out_channels: $channels, kernel_size: 1}]}}\nstages: {a: {residual: 4}, b: {residual: 8}}",
    HEAD + "blocks: {«resdiual»: {params: {c: int}, body: [conv2d: {out_channels: $c, kernel_size: 1}]}}\nstages: {a: {residual: {c: 4}}, b: {residual: {c: 4}}}",
    # a var of that name: without this param it would be taken
    HEAD + "vars: {growth: 4}\nblocks: {unit: {params: {«gorwth»: int}, body: [conv2d: {out_channels: $growth, kernel_size: 1}]}}\nstages: {a: {unit: 4}, b: {unit: $growth}}",
    HEAD + "vars: {growth: 4}\nblocks: {unit: {params: {«gorwth»: int}, body: [conv2d: {out_channels: $growth, kernel_size: 1}]}}\nstages: {a: {unit: {growth: 4}}, b: {unit: $growth}}",
    # defaults of params, conditions and expressions
    HEAD + "blocks: {unit: {params: {channels: int, «halff»: $(channels // 2)}, body: [conv2d: {out_channels: $half, kernel_size: 1}, {relu: , when: $(half > 2)}]}}\nstages: {a: {unit: 8}}",
    # layers in arguments, and in vars
    HEAD + "blocks:\n  outer: {params: {inner: layer}, body: [$inner]}\n  «uint»: [relu, tanh]\nstages: {a: {outer: unit}, b: {outer: {inner: [unit, relu]}}}",
    HEAD + "vars: {kind: unit}\nblocks: {«uint»: [relu, tanh]}\nstages: {a: $kind, b: [unit]}",
    # of several inputs
    "archspec: 1\ninput: {«lfet»: [3, 8, 8], right: [3, 8, 8]}\nstages: {a: {conv2d: {out_channels: $input.left.channels, kernel_size: 1}, from: left}, b: [add: {x: {from: right}, y: {from: a}}]}",
    # outside of what the language reads, the word does not count
    HEAD + "name: widht\ndescription: its widht is small\nvars: {«widht»: 4}\nstages: {a: [flatten, linear: $width, linear: $width]}",
])
def test_where_names_are_referred_to(text: str, tmp_path: Path) -> None:
    (found,) = assert_marked(text, ("SPEC029", "nothing refers to"))
    after = fixed(tmp_path, plain(text))
    assert check(after) == []
    assert after == re.sub("«.*?»", str(found.hint).removeprefix("write ").strip("`"), text)


def test_uses_in_several_wrong_spellings(tmp_path: Path) -> None:
    """The definition is what most of them say; the others are then wrong."""
    text = HEAD + "vars: {«widht»: 4}\nstages: {a: [flatten, linear: $width, linear: $«wdith», linear: $width]}"
    assert_marked(text, ("SPEC029", "2 places refer to `width`"), ("SPEC031", "unknown name `wdith`"))
    assert fixed(tmp_path, plain(text)) == re.sub("«.*?»", "width", text)


@pytest.mark.parametrize(("text", "code"), [
    (HEAD + "vars: {width: 4}\nstages: {a: [flatten, linear: $«widht»]}", "SPEC031"),  # one against one
    (HEAD + "blocks: {unit: [relu, tanh]}\nstages: {a: «uint»}", "SPEC020"),
    (HEAD + "stages: {conv2: relu, a: [add: {x: [], y: {from: «conv1»}}, relu, add: {x: [], y: {from: «conv1»}}]}", "SPEC040"),  # another number
    (HEAD + "vars: {width: 4, wodth: 5}\nstages: {a: [flatten, linear: $«wadth», linear: $wadth]}", "SPEC031"),  # two are as similar
    (HEAD + "stages: {decoder: relu, encoder1: relu, b: {identity: , from: encoder1}, a: [add: {x: [], y: {from: «encodr»}}, add: {x: [], y: {from: «encodr»}}]}", "SPEC040"),
])
def test_uses_that_are_wrong(text: str, code: str) -> None:
    marks = text.count("«")
    assert_marked(text, *[(code, "")] * marks)


def test_what_is_written_twice_at_one_place_counts_once() -> None:
    found = examine(HEAD + "vars: {width: 4}\nstages: {a: [flatten, linear: $(widht + widht)]}\n")
    assert [d.code for d in found.errors] == ["SPEC031"]


def test_uses_of_which_no_definition_is_similar() -> None:
    text = HEAD + "vars: {«width»: 4}\nstages: {a: [flatten, linear: $«zzz», linear: $zzz]}\n"
    assert_marked(text, ("SPEC025", "nothing uses the var `width`"), ("SPEC031", "unknown name `zzz`"))


def test_a_name_that_cannot_be_taken() -> None:
    text = HEAD + "stages: {tpye: relu, a: [add: {x: [], y: {from: «type»}}, relu, add: {x: [], y: {from: «type»}}]}"
    assert_marked(text, ("SPEC040", "`type`"), ("SPEC040", "`type`"))


def test_blocks_that_are_variants_of_standard_ones() -> None:
    assert check(HEAD + "blocks: {residual_se: relu, my_residual: relu}\nstages: {a: {residual: 4}, b: {residual: 4}}") == []


def test_a_library(tmp_path: Path) -> None:
    library = "archspec: 1\nblocks:\n  unit: {params: {channels: int, srtide: 1}, body: [conv2d: {out_channels: $channels, kernel_size: 1, stride: $stride}]}\n"
    spec = HEAD + "use: lib.yaml\nstages: {a: [unit: {channels: 4, stride: 2}]}\n"
    path = write(tmp_path, {"spec.yaml": spec, "lib.yaml": library})
    (found,) = archspec.check(path)
    assert (found.code, Path(found.span.path).name, found.span.line) == ("SPEC029", "lib.yaml", 3)
    assert [Path(label.span.path).name for label in found.related] == ["lib.yaml", "spec.yaml"]
    assert run(["validate", str(path), "--fix"]) == 1  # files that are not named are not written
    assert (tmp_path / "lib.yaml").read_text() == library
    assert run(["validate", str(path), str(tmp_path / "lib.yaml"), "--fix"]) == 0
    assert (tmp_path / "lib.yaml").read_text() == library.replace("srtide", "stride")


def test_a_library_alone(tmp_path: Path) -> None:
    library = "archspec: 1\nvars: {widht: 4}\nblocks:\n  unit: [conv2d: {out_channels: $width, kernel_size: 1}, conv2d: {out_channels: $width, kernel_size: 1}]\n"
    path = write(tmp_path, {"lib.yaml": library})
    assert run(["validate", str(path), "--fix"]) == 0
    assert path.read_text() == library.replace("widht", "width")


def test_a_variant_refers_to_its_base(tmp_path: Path) -> None:
    base = HEAD + "vars: {widht: 4}\nstages: {a: [flatten, linear: $width], b: {linear: $width}}\n"
    path = write(tmp_path, {"variant.yaml": "archspec: 1\nextends: base.yaml\nstages: {c: {linear: $width}}\n", "base.yaml": base})
    (found,) = archspec.check(path)
    assert (found.code, Path(found.span.path).name, len(found.related)) == ("SPEC029", "base.yaml", 3)
    path.write_text("archspec: 1\nextends: base.yaml\nvars: {widht: 8}\n")  # which refers to the base's var as it is spelt
    assert {d.code for d in archspec.check(path)} == {"SPEC031"}


def test_an_override_refers_to_its_var() -> None:
    text = HEAD + "vars: {widht: 4}\nstages: {a: [flatten, linear: $width], b: {linear: $width}}\n"
    assert [d.code for d in archspec.check(text)] == ["SPEC029"]
    assert [d.code for d in archspec.check(text, sets=["vars.widht=5"])] == ["SPEC031"]


def test_data_without_a_text() -> None:
    data = {"archspec": 1, "input": [3, 8, 8], "vars": {"widht": 4},
            "stages": {"a": ["flatten", {"linear": "$width"}, {"linear": "$width"}, {"lniear": 3}]}}
    found = archspec.check(data)
    assert [(d.code, d.path) for d in found] == [("SPEC029", ("vars", "widht")), ("SPEC020", ("stages", "a", 3, "lniear"))]
    assert "`stages.a[1].linear`: `width` is written here" in found[0].notes


def test_places_below_a_misspelt_name_are_as_written() -> None:
    unit = {"params": {"channels": "int"}, "body": [{"conv2d": {"out_channels": "$channels", "kernel_szie": 1}}]}
    data = {"archspec": 1, "input": [3, 8, 8], "blocks": {"uint": unit}, "stages": {"a": [{"unit": 4}], "b": [{"unit": 4}]}}
    assert [d.path for d in archspec.check(data)] == [("blocks", "uint"), ("blocks", "uint", "body", 0, "conv2d", "kernel_szie")]


def test_many_uses_are_counted() -> None:
    layers = ", ".join(["linear: $width"] * 150)
    (found,) = archspec.check(HEAD + f"vars: {{widht: 4}}\nstages: {{a: [flatten, {layers}]}}\n")
    assert "150 places" in found.message
    assert len(found.related) == 8
    assert found.notes == ("the same at 142 further places",)


def test_very_many_are_told_up_to_the_limit() -> None:
    names = [f"v{chr(97 + k // 26)}{chr(97 + k % 26)}long" for k in range(200)]
    text = HEAD + f"vars: {{{', '.join(f'{name}x: 4' for name in names)}}}\nstages: {{a: [flatten, {', '.join(f'linear: ${name}, linear: ${name}' for name in names)}]}}\n"
    found = examine(text).errors
    assert len(found) == 101
    assert "SPEC029" in {d.code for d in found} and found[-1].code == "SPEC003"


def test_a_good_spec_does_not_look_for_them() -> None:
    code = (f"import archspec, sys; archspec.load({TEXT!r}); "
            "sys.exit(any(m.endswith('.misspelt') or m == 'difflib' for m in sys.modules))")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
