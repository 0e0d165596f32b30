"""Which files are archspec's: whatever the check of one file accepts is found in a folder and by pytest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archspec
from archspec.cli.collect import collect
from archspec.diagnostics.codes import CODES
from archspec.language.detect import Kind, has_suffix, kind_of, kind_of_content
from archspec.source import Limits

ROOT = Path(__file__).parents[2]
HEAD, STAGES = "archspec: 1\ninput: [1, 8, 8]\n", "stages: {a: relu}\n"


def kind(text: str | bytes) -> Kind:
    return kind_of_content(text if isinstance(text, bytes) else text.encode())


# -- whatever is accepted is found -----------------------------------------------------------------------------

KEYS = {"archspec": "1", "input": "[1, 8, 8]", "stages": "{a: relu}", "name": "net"}
SPELLINGS = {
    "plain": lambda key: key, "double": lambda key: f'"{key}"', "single": lambda key: f"'{key}'",
    "escaped": lambda key: f'"\\u{ord(key[0]):04x}{key[1:]}"', "explicit": lambda key: f"? {key}\n",
}


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """One small spec, in one of the many ways in which it may be written."""
    keys = draw(st.permutations(sorted(KEYS)))
    flow = draw(st.booleans())
    spellings = sorted(SPELLINGS) if not flow else ["plain", "double", "single", "escaped"]
    indent = "" if flow else " " * draw(st.sampled_from([0, 0, 1, 4]))
    pairs = []
    for key in keys:
        name = SPELLINGS[draw(st.sampled_from(spellings))](key)
        colon = draw(st.sampled_from([": ", " :  ", ":   "]))
        pairs.append(name.replace("\n", f"\n{indent}") + colon.lstrip() if "\n" in name else f"{name}{colon}")
        pairs[-1] += KEYS[key]
    body = "{" + ", ".join(pairs) + "}" if flow else "".join(f"{indent}{pair}\n" for pair in pairs)
    head = draw(st.sampled_from(["", "\n\n", "# archspec\n", "---\n", "%YAML 1.2\n---\n", "%YAML 1.2\n", "   # a\n\n"]))
    tail = draw(st.sampled_from(["", "\n", "\n# end\n", "\n...\n"]))
    text = (head + body + tail).replace("\n", draw(st.sampled_from(["\n", "\r\n", "\r"])))
    return (b"\xef\xbb\xbf" if draw(st.booleans()) else b"") + text.encode()


@given(written())
def test_however_a_spec_is_written(content: bytes) -> None:
    assert kind(content) is Kind.NETWORK
    assert archspec.check(content.decode() + "\n") == ()


TEXTS = [
    *((path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in (ROOT / "specs").rglob("*.yaml")),
    *((code, page.right.text) for code, page in CODES.items() if page.right.kind == "yaml"),
    *((f"{code}-wrong", page.wrong.text) for code, page in CODES.items() if page.wrong.kind == "yaml" and "archspec" in page.wrong.text),
]


@pytest.mark.parametrize(("name", "text"), TEXTS, ids=[name for name, _ in TEXTS])
def test_specs_sound_and_broken_are_found(name: str, text: str) -> None:
    assert kind(text) in ((Kind.SWEEP,) if "archspec-sweep" in text else (Kind.NETWORK, Kind.LIBRARY))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + (HEAD + STAGES).encode(), id="byte-order-mark"),
        pytest.param((HEAD + STAGES).replace("\n", "\r").encode(), id="cr"),
        pytest.param(b" archspec: 1\n input: [1, 8, 8]\n stages: {a: relu}\n", id="indented"),
        pytest.param(b'"archspec": 1\ninput: [1, 8, 8]\nstages: {a: relu}\n', id="quoted"),
        pytest.param(b"{archspec: 1, input: [1, 8, 8], stages: {a: relu}}", id="flow"),
        pytest.param(b"{input: [1, 8, 8], # first\n stages: {a: relu},\n archspec: 1}", id="flow-last"),
    ],
)
@pytest.mark.parametrize("name", ["net.yaml", "NET.YAML", "net.Yml"])
def test_file_folder_and_pytest_agree(pytester: pytest.Pytester, content: bytes, name: str) -> None:
    path = pytester.path / name
    path.write_bytes(content)
    assert archspec.check(path) == ()
    assert collect([str(pytester.path)]).specs == [str(path)]
    collected = pytester.inline_genitems(str(path))[0]
    assert [item.name for item in collected] == ["valid"]


# -- what else there is ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("archspec: 1\nblocks: {a: relu}\n", Kind.LIBRARY, id="library"),
        pytest.param("archspec: 1\nblocks: {a: relu}\nstagess: {}\n", Kind.LIBRARY, id="library-with-an-unknown-key"),
        pytest.param("archspec: 1\ninput: [1]\nblocks: {a: relu}\n", Kind.NETWORK, id="without-stages"),
        pytest.param("archspec: 1\n", Kind.NETWORK, id="alone"),
        pytest.param("archspec: 7\nstages: {}\n", Kind.NETWORK, id="another-version"),
        pytest.param("name: [\narchspec: 1\n", Kind.NETWORK, id="broken-before"),
        pytest.param("archspec:1\ninput: [1]\n", Kind.NETWORK, id="no-space"),
        pytest.param("{archspec:1, input: [1]}\n", Kind.NETWORK, id="no-space-flow"),
        pytest.param("\tarchspec: 1\n", Kind.NETWORK, id="tab"),
        pytest.param("# a\n---\n  x: [\n  archspec: 1\n", Kind.NETWORK, id="broken-indented"),
        pytest.param(b"archspec: 1\nname: \xff\n", Kind.NETWORK, id="not-utf-8"),
        pytest.param("archspec: 1\nname: \x01\n", Kind.NETWORK, id="control-character"),
        pytest.param("archspec: &a 1\nstages: *a\n", Kind.NETWORK, id="anchor"),
        pytest.param("{stages: [}, archspec: 1", Kind.NETWORK, id="broken-flow"),
        pytest.param("", Kind.OTHER, id="empty"),
        pytest.param("archspec", Kind.OTHER, id="a-word"),
        pytest.param("[archspec: 1]", Kind.OTHER, id="a-list"),
        pytest.param("- archspec: 1\n  stages: 3\n", Kind.OTHER, id="in-a-list"),
        pytest.param("x:\n  archspec: 1\n  stages: {}\n", Kind.OTHER, id="not-at-the-top"),
        pytest.param("x: [\n  archspec: 1\n", Kind.OTHER, id="broken-and-not-at-the-top"),
        pytest.param("a: 1\n---\narchspec: 1\n", Kind.OTHER, id="in-the-second-document"),
        pytest.param("text: |\n  archspec: 1\n  stages: {}\n", Kind.OTHER, id="in-a-text"),
        pytest.param("# archspec: 1\nstages: [build]\n", Kind.OTHER, id="in-a-comment"),
        pytest.param("? [archspec]\n: 1\n? {archspec: 1}\n: 2\n", Kind.OTHER, id="in-a-key"),
    ],
)
def test_kinds(text: str | bytes, expected: Kind) -> None:
    assert kind(text) is expected


@pytest.mark.parametrize("key", ["archpsec", "arhcspec", "archspc", "Archspec", "arch_spec", "archspecs", "ARCHSPEC", "acrhspec"])
def test_a_misspelt_version_key_is_noticed(key: str) -> None:
    assert kind(f"{key}: 1\nwhatever: 2\n") is Kind.MISSPELT
    assert kind(f"name: x\n{key}: one\n{STAGES}") is Kind.MISSPELT


@pytest.mark.parametrize(
    "text",
    [
        "archspec_version: 3\n", "architecture: 1\nstages: []\n", "archive: 1\nstages: []\n", "spec: 1\nstages: []\n",
        "apiVersion: v1\nspec: {stages: 3}\n", "stages: [build, test]\ninput: x\n", "arches: [x86]\nblocks: []\n",
        "version: 1\nextends: base\n", "archspec-cpu: {target: zen}\n", "architectures: 1\ninput: 2\n",
    ],
)  # fmt: skip
def test_other_peoples_yaml_is_left_alone(text: str) -> None:
    assert kind(text) is Kind.OTHER


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.yaml", True), ("A.YML", True), ("a.Yaml", True), ("a.yaml.bak", False), ("yaml", False), ("a.json", False)],
)
def test_suffixes(name: str, expected: bool) -> None:
    assert has_suffix(name) is expected


def test_only_so_much_is_read_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(HEAD.ljust(300, "#") + "\nblocks: {}\n" + STAGES)
    assert kind_of(path, Limits(max_bytes=20)) is Kind.NETWORK
    path.write_text("x: 1\n" * 100 + HEAD)
    assert kind_of(path, Limits(max_bytes=20)) is Kind.OTHER


@pytest.mark.parametrize("text", ["\n" * 50_000 + "\x01", "\r\n" * 50_000 + "# \x01", " \n" * 50_000 + "%", "{ " * 5_000])
def test_odd_texts_take_no_time(text: str) -> None:
    assert kind(text) is Kind.OTHER


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("pipe.yaml", "device.yaml", "folder.yaml"):
        with pytest.raises(OSError, match="is "):
            kind_of(tmp_path / name)
    found = collect([str(tmp_path)])
    assert [Path(path).name for path in found.specs] == ["device.yaml", "pipe.yaml"]  # the check reports them
    assert [d.code for path in found.specs for d in archspec.check(path)] == ["SPEC001", "SPEC001"]
