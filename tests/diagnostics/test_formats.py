"""Diagnostics as text with labels, as SARIF, and as GitHub's workflow commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from archspec.diagnostics import Diagnostic, Edit, Fix, Label, SourceSpan, render
from archspec.diagnostics.edits import edited
from archspec.diagnostics.github import github
from archspec.diagnostics.places import path_from, utf16_length
from archspec.diagnostics.sarif import sarif

TEXT = ["a: 1", "b: 2", "", "", "", "", "", "", "𝜎: {x: 1, x: 2}", "a: 3"]


def span(line: int, column: int = 1, length: int = 1, path: str = "a.yaml", text: list[str] = TEXT) -> SourceSpan:
    return SourceSpan(path, line, column, length, text[line - 1])


def diagnostic(*labels: Label, **fields: Any) -> Diagnostic:
    return Diagnostic("SPEC004", "duplicate key `x`", span(9, 11), ("a fact",), "delete it", related=labels, **fields)


def test_labels_of_the_same_file_are_shown_in_the_order_of_the_text() -> None:
    labels = Label(span(10), "later"), Label(span(1, 1, 4), "earlier"), Label(span(9, 5), "first written here")
    assert render(diagnostic(*labels)) == """\
error[SPEC004]: duplicate key `x`
  --> a.yaml:9:11
 1 | a: 1
   | ---- earlier
...
 9 | 𝜎: {x: 1, x: 2}
   |     - first written here
   |           ^
10 | a: 3
   | - later
   = note: a fact
   = hint: delete it"""


def test_labels_of_another_file_follow() -> None:
    shown = render(diagnostic(Label(span(2, 1, 4, "lib.yaml"), "called here"))).split("\n")
    assert shown[4:7] == [" ::: lib.yaml:2:1", "2 | b: 2", "  | ---- called here"]


def test_a_label_far_along_a_long_line_has_its_own_window() -> None:
    text = ["".join(chr(ord("a") + k % 26) for k in range(900))]
    found = Diagnostic("SPEC010", "x", span(1, 800, 2, text=text), related=(Label(span(1, 1, 3, text=text), "there"),))
    lines = render(found).split("\n")
    assert max(map(len, lines)) < 200
    shown, dashes, window, carets = lines[2:6]
    assert shown[dashes.index("-") :].startswith(text[0][:3])
    assert window[carets.index("^") :].startswith(text[0][799:801])


def test_labels_have_no_control_characters_and_no_line_breaks() -> None:
    assert "\n" not in render(diagnostic(Label(span(1), "a\nb"))).split("\n")[3].replace("\\n", "")


@pytest.mark.parametrize(("before", "indent"), [("ab", 2), ("é", 1), ("e\u0301", 1), ("層", 2), ("𝜎", 1), ("Ａ", 2)])
def test_a_caret_stands_below_its_character(before: str, indent: int) -> None:
    found = Diagnostic("SPEC010", "x", SourceSpan("a.yaml", 1, len(before) + 1, 1, f"{before}x: 1"))
    assert render(found).split("\n")[-1] == f"  | {' ' * indent}^"


def test_json_has_labels_and_edits() -> None:
    fix = Fix((Edit(span(9, 9, 6), ""),), safe=True)
    plain = diagnostic(Label(span(9, 5), "first written here"), fix=fix).to_json()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["related"] == [{"span": {"path": "a.yaml", "line": 9, "column": 5, "length": 1}, "text": "first written here"}]
    assert plain["fix"] == {"safe": True, "edits": [{"span": {"path": "a.yaml", "line": 9, "column": 9, "length": 6}, "text": ""}]}


# -- GitHub ------------------------------------------------------------------------------------------------------


def test_a_workflow_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert github(diagnostic(Label(span(9, 5), "first written here"))) == (
        "::error title=archspec (SPEC004),file=a.yaml,line=9,col=11,endLine=9,endColumn=12::duplicate key `x`"
        "%0Afirst written here: a.yaml:9:5%0Aa fact%0Ahint: delete it"
    )
    assert github(Diagnostic("SPEC061", "100 %\r\n::stop\x1b[2J")) == \
        "::warning title=archspec (SPEC061)::100 %25\\r\\n::stop[2J"


def test_file_names_cannot_end_a_property(tmp_path: Path) -> None:
    found = Diagnostic("SPEC010", "x", span(1, path=str(tmp_path / "a,line=9::b%.yaml")))
    assert github(found, tmp_path).startswith("::error title=archspec (SPEC010),file=a%2Cline=9%3A%3Ab%25.yaml,line=1,")


def test_paths_are_written_from_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert ",file=sub/a.yaml," in github(diagnostic()).replace("title=", ",title=")
    assert path_from("../../elsewhere.yaml", tmp_path) is None
    outside = Diagnostic("SPEC010", "x", span(1, path="/elsewhere/a.yaml"))
    assert "file=/elsewhere/a.yaml," in github(outside)


# -- SARIF -------------------------------------------------------------------------------------------------------


def kind(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


NUMBER = {"type": "integer", "minimum": 1}
STRING = {"type": "string"}
MESSAGE = kind(["text"], text={"type": "string", "minLength": 1})
CONTENT = kind(["text"], text=STRING)
ARTIFACT = kind(["uri"], uri={"type": "string", "pattern": r"^[!#-;=?-\[\]_a-z~%]*$"}, uriBaseId=STRING)
REGION = kind(["startLine"], startLine=NUMBER, startColumn=NUMBER, endLine=NUMBER, endColumn=NUMBER, snippet=CONTENT)
PLACE = kind(["artifactLocation"], artifactLocation=ARTIFACT, region=REGION, contextRegion=REGION)
LOCATION = kind([], physicalLocation=PLACE, message=MESSAGE, id={"type": "integer", "minimum": -1})
REPLACEMENT = kind(["deletedRegion"], deletedRegion=REGION, insertedContent=CONTENT)
CHANGE = kind(["artifactLocation", "replacements"], artifactLocation=ARTIFACT,
              replacements={"type": "array", "items": REPLACEMENT, "minItems": 1})
FIX = kind(["artifactChanges"], description=MESSAGE, artifactChanges={"type": "array", "items": CHANGE, "minItems": 1, "uniqueItems": True})
RULE = kind(["id"], id=STRING, shortDescription=MESSAGE, fullDescription=MESSAGE)
DRIVER = kind(["name"], name=STRING, version=STRING, rules={"type": "array", "items": RULE, "uniqueItems": True})
RESULT = kind(["message"], ruleId=STRING, ruleIndex={"type": "integer", "minimum": -1}, message=MESSAGE,
              level={"enum": ["none", "note", "warning", "error"]}, locations={"type": "array", "items": LOCATION},
              relatedLocations={"type": "array", "items": LOCATION, "uniqueItems": True},
              fixes={"type": "array", "items": FIX, "uniqueItems": True})
RUN = kind(["tool"], tool=kind(["driver"], driver=DRIVER), results={"type": "array", "items": RESULT},
           columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
           originalUriBaseIds={"type": "object", "additionalProperties": ARTIFACT})
# What the official schema (sarif-schema-2.1.0.json) says of the objects that are written; it allows more properties.
SARIF = kind(["version", "runs"], version={"enum": ["2.1.0"]}, runs={"type": "array", "items": RUN},
             **{"$schema": {"type": "string", "format": "uri"}})


def log_of(*diagnostics: Diagnostic, root: Path) -> dict[str, Any]:
    log = json.loads(json.dumps(sarif(diagnostics, "1.2.3", root)))
    assert [e.message for e in Draft7Validator(SARIF).iter_errors(log)] == []
    return log["runs"][0]


def test_a_log_has_rules_results_and_utf_16_columns(tmp_path: Path) -> None:
    found = diagnostic(Label(span(9, 5), "first written here"), fix=Fix((Edit(span(9, 9, 6), ""),)))
    run = log_of(found, Diagnostic("SPEC061", "odd"), Diagnostic("SPEC004", "y", span(1, path=str(tmp_path / "b ü.yaml"))), root=tmp_path)
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["SPEC004", "SPEC061"]
    assert [(r["ruleId"], r["ruleIndex"], r["level"]) for r in run["results"]] == \
        [("SPEC004", 0, "error"), ("SPEC061", 1, "warning"), ("SPEC004", 0, "error")]
    first, bare, other = run["results"]
    place = first["locations"][0]["physicalLocation"]
    assert (place["region"]["startColumn"], place["region"]["endColumn"]) == (12, 13)  # 𝜎 counts twice
    assert first["message"]["text"] == "duplicate key `x`\na fact\nhint: delete it"
    assert first["relatedLocations"][0]["message"]["text"] == "first written here"
    assert "locations" not in bare
    assert other["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "b%20%C3%BC.yaml", "uriBaseId": "SRCROOT"}
    assert run["originalUriBaseIds"]["SRCROOT"]["uri"] == f"{tmp_path.as_uri()}/"


def test_a_fix_says_what_to_replace(tmp_path: Path) -> None:
    fix = Fix((Edit(span(9, 9, 6), ""), Edit(span(2, 1, 4), "")))
    (result,) = log_of(diagnostic(fix=fix), root=tmp_path)["results"]
    (change,) = result["fixes"][0]["artifactChanges"]
    regions = [r["deletedRegion"] for r in change["replacements"]]
    assert regions == [
        {"startLine": 2, "startColumn": 1, "endLine": 3, "endColumn": 1},  # with its line break
        {"startLine": 9, "startColumn": 10, "endLine": 9, "endColumn": 16},
    ]
    assert edited("\n".join(TEXT), fix.edits) == "\n".join([TEXT[0], *TEXT[2:8], "𝜎: {x: 1}", TEXT[9]])


def test_a_file_outside_has_a_whole_address(tmp_path: Path) -> None:
    (result,) = log_of(Diagnostic("SPEC010", "x", span(1, path="/elsewhere/a.yaml")), root=tmp_path)["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "file:///elsewhere/a.yaml"}


@pytest.mark.parametrize(("text", "length"), [("", 0), ("aé", 2), ("𝜎", 2), ("\uffff", 1)])
def test_utf_16_length(text: str, length: int) -> None:
    assert utf16_length(text) == length == len(text.encode("utf-16-le")) // 2
