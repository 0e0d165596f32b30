"""Any single mistake in any valid spec is told, once, and never crashes anything."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import archspec
from archspec.ops import OPS
from archspec.ops.base import Merge
from archspec.source import dump, read
from tests.helpers import assert_form

ROOT = Path(__file__).parents[2]
SPECS = [*sorted((ROOT / "specs").rglob("*.yaml")), *sorted((ROOT / "tests" / "examples").glob("*.yaml"))]
WHOLE = [path for path in SPECS if "extends" not in read(path).data]
STANDARD = {name for path in Path(archspec.__file__).parent.joinpath("stdlib").glob("*.yaml") for name in read(path).data["blocks"]}
EXPECTATIONS = ("SHAPE110", "SHAPE111")  # each is an assertion of its own: a wrong width fails many

Path_ = tuple[Any, ...]
Node = tuple[Path_, Any, Any]  # path, key (or index), value


def walk(value: Any, path: Path_ = ()) -> Iterator[Node]:
    """Every item of every mapping and list."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield path, key, item
        yield from walk(item, (*path, key))


def at(data: Any, path: Path_) -> Any:
    for step in path:
        data = data[step]
    return data


def rename(data: Any, path: Path_, old: str, new: str) -> None:
    """Another key, in the same place."""
    mapping = at(data, path)
    items = [(new if key == old else key, value) for key, value in mapping.items()]
    mapping.clear()
    mapping.update(items)


def misspell(name: str, rng: random.Random) -> str:
    """One slip of the fingers that leaves a name near enough to be recognised."""
    k = rng.randrange(1, len(name)) if len(name) > 1 else 0
    return rng.choice([name[:k] + "x" + name[k:], name + "x", name[:-1] + "q" + name[-1:]])


def mentions(data: Any, name: str) -> int:
    """How many keys and texts hold this word."""
    texts = [text for _, key, value in walk(data) for text in (key, value) if isinstance(text, str)]
    return sum(re.search(rf"\b{name}\b", text) is not None for text in texts)


# -- one mistake each; None where the spec has no place for it --------------------------------------------------------


def an_op(data: Any, rng: random.Random) -> str | None:
    places = [
        (p, k, v) for p, k, v in walk(data)
        if p[:1] in (("stages",), ("blocks",)) and "params" not in p and (_is_op(v) or (len(p) > 1 and _is_op(k)))
    ]
    if not places:
        return None
    path, key, value = rng.choice(places)
    if len(path) > 1 and _is_op(key):
        rename(data, path, key, misspell(key, rng))
    else:
        at(data, path)[key] = misspell(value, rng)
    return "SPEC020"


def _is_op(name: Any) -> bool:
    return isinstance(name, str) and name in OPS


def a_field(data: Any, rng: random.Random) -> str | None:
    places = [(p, k) for p, k, _ in walk(data) if p and _is_op(p[-1]) and k in OPS[p[-1]].model_fields]
    if not places:
        return None
    path, key = rng.choice(places)
    rename(data, path, key, misspell(key, rng))
    return "SPEC010"


def a_block(data: Any, rng: random.Random) -> str | None:
    names = [name for name in data.get("blocks", {}) if _is_called(data, name) and name not in STANDARD]
    if not names:
        return None
    name = rng.choice(names)
    rename(data, ("blocks",), name, misspell(name, rng))
    return "SPEC029" if mentions(data, name) > 1 else "SPEC020"


def _is_called(data: Any, name: str) -> bool:
    """Whether a block is called by its name: a branch may have the same one, and call something else."""
    for path, key, value in walk(data):
        if path[:1] not in (("stages",), ("blocks",)):
            continue
        branch = len(path) == 1 or (isinstance(OPS.get(path[-1]), type) and issubclass(OPS[path[-1]], Merge))
        if value == name or (key == name and not branch):
            return True
    return False


def a_var(data: Any, rng: random.Random) -> str | None:
    if not data.get("vars"):
        return None
    name = rng.choice(list(data["vars"]))
    rename(data, ("vars",), name, misspell(name, rng))
    return "SPEC029" if mentions(data, name) > 1 else "SPEC031"


def a_param(data: Any, rng: random.Random) -> str | None:
    params = [(p, k) for p, k, _ in walk(data) if len(p) == 3 and (p[0], p[2]) == ("blocks", "params") and len(k) > 2]
    if not params:
        return None
    path, name = rng.choice(params)
    rename(data, path, name, misspell(name, rng))
    body = data["blocks"][path[1]]["body"]
    called = [1 for p, k, _ in walk(data) if k == name and p and p[-1] == path[1]]
    if mentions(body, name) + len(called) == 0:
        return ""
    return "SPEC029" if mentions(data, name) > 1 else ""  # or what its only use leads to


def a_section(data: Any, rng: random.Random) -> str | None:
    name = rng.choice([key for key in data if key != "archspec"])
    rename(data, (), name, misspell(name, rng))
    return "SPEC010"


def a_number(data: Any, rng: random.Random) -> str | None:
    """A text where a number belongs."""
    places = [(p, k) for p, k, v in walk(data) if type(v) is int and p[:1] not in (("train",), ("recipes",))]
    path, key = rng.choice(places)
    at(data, path)[key] = "many"
    return ""


def a_negative_number(data: Any, rng: random.Random) -> str | None:
    """-7 where a size belongs."""
    names = {"out_channels", "kernel_size", "linear", "stride", "repeat", "max_pool2d", "groups", "out_features"}
    places = [(p, k) for p, k, v in walk(data) if type(v) is int and k in names and p[:1] != ("expect",)]
    if not places:
        return None
    path, key = rng.choice(places)
    at(data, path)[key] = -7
    return ""


def a_required_field(data: Any, rng: random.Random) -> str | None:
    places = [
        (p, k) for p, k, _ in walk(data)
        if p and _is_op(p[-1]) and k in OPS[p[-1]].model_fields and OPS[p[-1]].model_fields[k].is_required()
    ]
    if not places:
        return None
    path, key = rng.choice(places)
    removed = at(data, path).pop(key)
    return None if isinstance(removed, str) and removed.startswith("$") else "SPEC011"  # its var may become unused


def a_list_in_a_list(data: Any, rng: random.Random) -> str | None:
    bodies = {"body", "sequential", "main", "shortcut", "x", *data["stages"]}
    places = [
        (p, k) for p, k, v in walk(data)
        if p[:1] in (("stages",), ("blocks",)) and p[-1] in bodies and isinstance(k, int)
        and (_is_op(v) or (isinstance(v, dict) and _is_op(next(iter(v)))))
    ]
    if not places:
        return None
    path, key = rng.choice(places)
    at(data, path)[key] = [at(data, path)[key]]
    return "SPEC021"


def a_recipe(data: Any, rng: random.Random) -> str | None:
    if not data.get("train"):
        return None
    key = rng.choice(list(data["train"]))
    if rng.random() < 0.5:
        rename(data, ("train",), key, misspell(key, rng))
    else:
        data["train"][key] = {"data": 3, "optimizer": "sgdd", "init": "xavier"}.get(key, "many")
    return "SPEC060"


MISTAKES = [
    an_op, a_field, a_block, a_param, a_var, a_section, a_number, a_negative_number, a_required_field, a_list_in_a_list, a_recipe,
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.__name__)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(path=st.sampled_from(WHOLE), seed=st.integers(0, 10**6))
def test_one_mistake_is_told_once(mistake: Callable[..., str | None], path: Path, seed: int) -> None:
    data = copy.deepcopy(read(path).data)
    code = mistake(data, random.Random(seed))
    if code is None:
        return
    text = dump(data)
    found = archspec.check(text)
    message = f"{path.name}\n" + "\n".join(map(str, found))
    assert found, f"{path.name}: not noticed\n{text}"
    for diagnostic in found:
        assert_form(diagnostic)
    others = [d for d in found if d.code not in EXPECTATIONS]
    assert len(others) <= 1, message
    if code:
        assert [d.code for d in others] == [code], message


@settings(max_examples=60, deadline=None, derandomize=True)
@given(path=st.sampled_from(WHOLE), seed=st.integers(0, 10**6))
def test_a_line_written_twice_is_one_duplicate_key(path: Path, seed: int) -> None:
    lines = path.read_text(encoding="utf-8").split("\n")
    indents = [len(line) - len(line.lstrip()) for line in lines]
    whole = [
        k for k, line in enumerate(lines[:-1])
        if re.match(r" *\w+: *\S", line) and (not lines[k + 1].strip() or indents[k + 1] <= indents[k])
    ]
    k = random.Random(seed).choice(whole)
    found = archspec.check("\n".join([*lines[: k + 1], lines[k], *lines[k + 1 :]]))
    assert [(d.code, d.span.line) for d in found if d.span] == [("SPEC004", k + 2)], "\n".join(map(str, found))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(path=st.sampled_from(WHOLE), seed=st.integers(0, 10**6))
@example(path=ROOT / "specs" / "resnet50.yaml", seed=130)  # what `expect` says of two stages followed from it
def test_a_bracket_that_is_lost(path: Path, seed: int) -> None:
    """At the bracket or where it is missed; what follows from it is not told."""
    text = path.read_text(encoding="utf-8")
    plain = re.sub(r"#.*|description:.*", lambda m: "·" * len(m[0]), text)
    places = [k for k, char in enumerate(plain) if char in "[]{}"]
    k = random.Random(seed).choice(places)
    found = archspec.check(text[:k] + text[k + 1 :])
    assert 1 <= len(found) <= 2, "\n".join(map(str, found))  # an expression may be torn apart too
    assert not [d for d in found if d.code in EXPECTATIONS]
    for diagnostic in found:
        assert_form(diagnostic)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("c2: [int, int]", "c2: [int, int"),  # the block's other parameters are part of the list then
        ("inception: [384, [192, 384], [48, 128], 128]]", "inception: 384, [192, 384], [48, 128], 128]]"),
        ("inception: [384, [192, 384], [48, 128], 128]]", "inception: [384, [192, 384], 48, 128], 128]]"),
    ],
)
def test_a_bracket_that_is_lost_in_the_middle_is_one_mistake(old: str, new: str) -> None:
    text = (ROOT / "specs" / "zoo" / "googlenet_aux.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    assert [d.code for d in archspec.check(text.replace(old, new))] == ["SPEC002"]


def test_what_a_guess_hides_is_told_once_the_bracket_is_there() -> None:
    text = "archspec: 1\ninput: [1, 28, 28]\nstages: {a: [flatten, linear: 10, b: [relu]}\nexpect: {a: [11]}\n"
    assert [d.code for d in archspec.check(text)] == ["SPEC002"]
    assert [d.code for d in archspec.check(text.replace("10,", "10],"))] == ["SHAPE110"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(path=st.sampled_from(WHOLE), seed=st.integers(0, 10**6), step=st.sampled_from([-1, 1, 7, 1000, 10**12]))
def test_another_number_is_valid_or_told_at_few_places(path: Path, seed: int, step: int) -> None:
    data = copy.deepcopy(read(path).data)
    places = [(p, k) for p, k, v in walk(data) if type(v) is int and p[:1] in (("stages",), ("blocks",), ("vars",))]
    where, key = random.Random(seed).choice(places)
    at(data, where)[key] += step
    found = archspec.check(dump(data))
    others = [d for d in found if d.code not in EXPECTATIONS]
    assert len(others) <= 5, f"{path.name}\n" + "\n".join(map(str, found))
    for diagnostic in found:
        assert_form(diagnostic)
