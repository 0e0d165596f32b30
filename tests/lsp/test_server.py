"""The server in a process of its own, asked by a real client over its standard streams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import Client
from .helpers import SPEC

pytest.importorskip("pygls")
BASE = SPEC.replace("head: [flatten, linear: 10]", "head: [flatten, linear: 10] # 😀 ä")
VARIANT = "archspec: 1\nextends: base.yaml\nvars: {width: 4}\nexpect: {stem: [4, 14, 14]}\n"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "base.yaml").write_text(BASE, encoding="utf-8")
    (folder / "variant.yaml").write_text(VARIANT, encoding="utf-8")
    (folder / "sweep.yaml").write_text("archspec-sweep: 1\nspec: base.yaml\ngrid: {train.lr: [0.1, 0.2]}\n")
    client = Client(folder, "--delay", "0")
    yield client
    assert client.end() == 0


def place(text: str, needle: str, offset: int = 0) -> tuple[int, int]:
    """Line and UTF-16 column."""
    before = text[: text.index(needle) + offset]
    return before.count("\n"), len(before.rpartition("\n")[2].encode("utf-16-le")) // 2


def insert(line: int, character: int, text: str, removed: int = 0) -> dict[str, object]:
    start, end = {"line": line, "character": character}, {"line": line, "character": character + removed}
    return {"range": {"start": start, "end": end}, "text": text}


def test_what_it_can_do(client: Client) -> None:
    capabilities = client.server["capabilities"]
    assert capabilities["textDocumentSync"]["change"] == 2  # incremental
    assert capabilities["renameProvider"]["prepareProvider"] is True
    for name in ("hover", "definition", "references", "documentSymbol", "documentFormatting", "codeAction", "completion"):
        assert capabilities[f"{name}Provider"]
    assert client.server["serverInfo"]["name"] == "archspec"


def test_diagnostics_come_with_each_change(client: Client) -> None:
    assert client.open("base.yaml") == []
    line, character = place(BASE, "flatten")
    client.change("base.yaml", 2, insert(line, character, "flat", removed=7))
    (found,) = client.diagnostics("base.yaml", 2)
    assert (found["code"], found["source"], found["severity"]) == ("SPEC020", "archspec", 1)
    assert found["range"] == {"start": {"line": line, "character": character}, "end": {"line": line, "character": character + 4}}
    assert "hint:" in found["message"]
    client.change("base.yaml", 3, insert(line, character, "flatten", removed=4))
    assert client.diagnostics("base.yaml", 3) == []


def test_columns_count_utf_16(client: Client) -> None:
    text = "archspec: 1\ninput: [4]\nstages: {a: {linear: 2}} # 😀\nexpect: {a: [2], '😀ä': [2]}\n"
    (found,) = client.open("wide.yaml", text)
    assert found["range"] == {"start": {"line": 3, "character": 17}, "end": {"line": 3, "character": 22}}
    client.change("wide.yaml", 2, insert(3, 18, "", removed=2), insert(3, 18, "b", removed=1))
    (found,) = client.diagnostics("wide.yaml", 2)
    assert "`b`" in found["message"]


def test_a_quick_fix(client: Client) -> None:
    text = BASE.replace("flatten", "flaten")
    (found,) = client.open("fix.yaml", text)
    actions = client.ask("textDocument/codeAction", {
        "textDocument": {"uri": client.uri("fix.yaml")}, "range": found["range"],
        "context": {"diagnostics": [found], "only": ["quickfix"]},
    })
    (edit,) = actions[0]["edit"]["changes"][client.uri("fix.yaml")]
    assert edit == {"newText": "flatten", "range": found["range"]}
    assert actions[0]["diagnostics"][0]["code"] == found["code"]


def test_related_places(client: Client) -> None:
    text = "archspec: 1\ninput: [4]\nstages:\n  a: {linear: 2}\n  a: {linear: 3}\n"
    (found,) = client.open("twice.yaml", text)
    (related,) = found["relatedInformation"]
    assert related["location"]["uri"] == client.uri("twice.yaml") and related["location"]["range"]["start"]["line"] == 3


def test_a_variant_follows_its_base_while_that_is_edited(client: Client) -> None:
    assert client.open("variant.yaml") == []
    line, character = place(BASE, "out_channels: $channels", 14)
    client.change("base.yaml", 10, insert(line, character, "3", removed=9))
    assert [d["code"] for d in client.diagnostics("variant.yaml")] != []
    client.change("base.yaml", 11, insert(line, character, "$channels", removed=1))
    assert client.diagnostics("variant.yaml") == []


def test_a_variant_is_checked_again_once_its_base_can_be_read(client: Client) -> None:
    client.open("torn.yaml", "just a text\n")
    (client.folder / "torn.yaml").write_text("just a text\n")
    assert client.open("of_torn.yaml", "archspec: 1\nextends: torn.yaml\n") != []
    client.change("torn.yaml", 2, {"text": SPEC})
    assert client.diagnostics("of_torn.yaml") == []
    client.change("torn.yaml", 3, {"text": SPEC.replace("flatten", "flaten")})
    assert client.diagnostics("of_torn.yaml") != []
    shown = client.at("hover", "of_torn.yaml", 0, 2)  # no network, and still an answer
    assert shown is None or shown["contents"]


def test_a_mistake_of_the_base_is_shown_where_it_is_named(client: Client) -> None:
    (client.folder / "broken.yaml").write_text(SPEC.replace("flatten", "flaten"))
    (found,) = client.open("own.yaml", "archspec: 1\n\nextends: broken.yaml\n")
    assert found["range"]["start"]["line"] == 2
    assert found["relatedInformation"][0]["location"]["uri"] == client.uri("broken.yaml")


def test_completion(client: Client) -> None:
    text = "archspec: 1\ninput: [1, 8, 8]\nstages:\n  a:\n    - con\n"
    client.open("complete.yaml", text)
    items = {one["label"]: one for one in client.at("completion", "complete.yaml", 4, 9)}
    assert items["conv2d"]["textEdit"] == {
        "newText": "conv2d: ", "range": {"start": {"line": 4, "character": 6}, "end": {"line": 4, "character": 9}},
    }
    assert "2-D cross-correlation" in items["conv2d"]["documentation"]["value"]


def test_hover_and_definition(client: Client) -> None:
    client.open("base.yaml")
    shown = client.at("hover", "base.yaml", *place(BASE, "stem:", 1))["contents"]
    assert shown["kind"] == "markdown" and "(1, 28, 28) → (8, 14, 14), 80 params" in shown["value"]
    assert client.at("hover", "base.yaml", *place(BASE, "ä")) is None
    (found,) = client.at("definition", "base.yaml", *place(BASE, "[conv", 1))
    assert found["uri"] == client.uri("base.yaml") and found["range"]["start"] == {"line": 5, "character": 2}


def test_rename_over_files(client: Client) -> None:
    assert client.at("prepareRename", "base.yaml", *place(BASE, "$width", 1))["start"]["character"] == 16
    edit = client.at("rename", "base.yaml", *place(BASE, "$width", 1), newName="size")
    changed = {uri: len(edits) for uri, edits in edit["changes"].items()}
    assert changed == {client.uri("base.yaml"): 4, client.uri("variant.yaml"): 1}
    assert len(client.at("references", "base.yaml", *place(BASE, "$width", 1), context={"includeDeclaration": True})) == 5
    with pytest.raises(RuntimeError, match="special meaning"):
        client.at("rename", "base.yaml", *place(BASE, "$width", 1), newName="in")
    assert client.at("prepareRename", "base.yaml", *place(BASE, "flatten")) is None


def test_symbols_and_formatting(client: Client) -> None:
    client.open("odd.yaml", BASE.replace("  stem: [", "  stem:   ["))
    symbols = client.ask("textDocument/documentSymbol", {"textDocument": {"uri": client.uri("odd.yaml")}})
    assert [one["name"] for one in symbols][:3] == ["archspec", "name", "input"]
    options = {"tabSize": 2, "insertSpaces": True}
    (edit,) = client.ask("textDocument/formatting", {"textDocument": {"uri": client.uri("odd.yaml")}, "options": options})
    assert edit["newText"] == "" and edit["range"]["start"]["line"] == edit["range"]["end"]["line"] == 11


def test_a_sweep(client: Client) -> None:
    assert client.open("sweep.yaml") == []
    client.change("sweep.yaml", 2, {"text": "archspec-sweep: 1\nspec: base.yaml\ngrid: {train.lr: [0.1, fast]}\n"})
    (found,) = client.diagnostics("sweep.yaml", 2)
    assert found["range"]["start"]["line"] == 2


def test_other_yaml_files_are_left_alone(client: Client) -> None:
    assert client.open("compose.yaml", "services: {a: {image: b}}\n") == []


def test_a_closed_file_has_no_diagnostics(client: Client) -> None:
    assert client.open("closed.yaml", "archspec: 1\nstages: {a: [x]}\n") != []
    client.tell("textDocument/didClose", {"textDocument": {"uri": client.uri("closed.yaml")}})
    assert client.diagnostics("closed.yaml") == []


def test_every_prefix_of_a_spec_is_answered(client: Client) -> None:
    """As one types: nothing that is asked fails, however broken the text is."""
    client.open("typed.yaml", "")
    document = {"textDocument": {"uri": client.uri("typed.yaml")}}
    for version, end in enumerate(range(7, len(SPEC), 29), 2):
        client.change("typed.yaml", version, {"text": SPEC[:end]})
        client.diagnostics("typed.yaml", version)
        line, character = SPEC[:end].count("\n"), len(SPEC[:end].rpartition("\n")[2])
        for method in ("completion", "hover", "definition", "prepareRename"):
            client.at(method, "typed.yaml", line, character)
        client.ask("textDocument/documentSymbol", document)
        client.ask("textDocument/formatting", {**document, "options": {"tabSize": 2, "insertSpaces": True}})


def test_another_encoding_and_a_folder_that_may_be_read(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "shared" / "base.yaml").write_text(BASE, encoding="utf-8")
    client = Client(tmp_path / "own", encodings=["utf-8"], options={"include": [str(tmp_path / "shared")]})
    assert client.server["capabilities"]["positionEncoding"] == "utf-8"
    (found,) = client.open("a.yaml", "archspec: 1\nextends: ../shared/base.yaml\nvars: {'ä': 1}\n")
    assert found["range"]["start"] == {"line": 2, "character": 7} and found["range"]["end"]["character"] == 11
    assert client.end() == 0


def named(client: Client, uri: str, text: str) -> list[dict[str, object]]:
    """Open a text under a URI of any kind; its diagnostics."""
    client.tell("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
    while True:
        message = next((m for m in client.notices if m["params"].get("uri") == uri), None)
        if message is not None:
            client.notices.remove(message)
            return message["params"]["diagnostics"]
        client._other(client.messages.get(timeout=60))


@pytest.mark.parametrize("uri", ["untitled:Untitled-1", "file:///c%3A/some%20where/a.yaml", "file:///tmp/%C3%A4%23.yaml"])
def test_edits_are_of_the_document_that_the_editor_named(client: Client, uri: str) -> None:
    (found,) = named(client, uri, SPEC.replace("flatten", "flaten"))
    context = {"diagnostics": [], "only": ["quickfix"]}
    (action,) = client.ask("textDocument/codeAction", {"textDocument": {"uri": uri}, "range": found["range"], "context": context})
    assert list(action["edit"]["changes"]) == [uri]
    position = dict(zip(("line", "character"), place(SPEC, "$width", 1), strict=True))
    edit = client.ask("textDocument/rename", {"textDocument": {"uri": uri}, "position": position, "newName": "fresh"})
    assert list(edit["changes"]) == [uri]


def test_edits_have_the_document_s_line_ends(client: Client) -> None:
    text = "archspec:  1\r\ninput: [4]\r\n\r\n\r\n\r\nstages: {a: {linear: 2}}\r\n"
    client.open("crlf.yaml", text)
    options = {"tabSize": 2, "insertSpaces": True}
    (edit,) = client.ask("textDocument/formatting", {"textDocument": {"uri": client.uri("crlf.yaml")}, "options": options})
    assert "\n" in edit["newText"] and "\n" not in edit["newText"].replace("\r\n", "")


def test_a_change_of_the_disk(client: Client) -> None:
    base = client.folder / "disk.yaml"
    base.write_text(SPEC)
    assert client.open("on_disk.yaml", "archspec: 1\nextends: disk.yaml\n") == []
    base.write_text(SPEC.replace("flatten", "flaten"))
    client.tell("workspace/didChangeWatchedFiles", {"changes": [{"uri": client.uri("disk.yaml"), "type": 2}]})
    assert [d["code"] for d in client.diagnostics("on_disk.yaml")] == ["SPEC020"]
    assert "workspace/didChangeWatchedFiles" in client.registered
