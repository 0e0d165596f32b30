"""A small language client: JSON-RPC over the standard streams of a server in a process of its own."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TIMEOUT_S = 60


class Client:
    """Starts `archspec lsp` and speaks to it."""

    def __init__(self, folder: Path, *arguments: str, encodings: Sequence[str] = (), options: Any = None) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "archspec", "lsp", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            cwd=folder,
        )
        self.messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.count = 0
        self.notices: list[dict[str, Any]] = []
        self.registered: list[str] = []
        capabilities = {
            "textDocument": {"rename": {"prepareSupport": True}},
            "workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}},
        }
        capabilities |= {"general": {"positionEncodings": list(encodings)}} if encodings else {}
        self.server = self.ask("initialize", {
            "processId": None, "rootUri": folder.as_uri(), "capabilities": capabilities, "initializationOptions": options,
            "workspaceFolders": [{"uri": folder.as_uri(), "name": "w"}],
        })
        self.tell("initialized", {})

    def _read(self) -> None:
        stream = self.process.stdout
        while True:
            length = 0
            while line := stream.readline().strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if not length:
                return
            self.messages.put(json.loads(stream.read(length)))

    def _send(self, message: dict[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        self.process.stdin.flush()

    def tell(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: Any) -> Any:
        """Send a request; its result, or the error as a RuntimeError."""
        self.count += 1
        self._send({"id": self.count, "method": method, "params": params})
        while True:
            message = self.messages.get(timeout=TIMEOUT_S)
            if message.get("id") == self.count and "method" not in message:
                if "error" in message:
                    raise RuntimeError(message["error"]["message"])
                return message["result"]
            self._other(message)

    def _other(self, message: dict[str, Any]) -> None:
        if "id" in message and "method" in message:  # a request of the server
            self.registered += [one["method"] for one in message["params"].get("registrations", ())]
            self._send({"id": message["id"], "result": None})
        else:
            self.notices.append(message)

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str | None = None) -> list[dict[str, Any]]:
        """Open a file; its diagnostics."""
        text = (self.folder / name).read_text(encoding="utf-8") if text is None else text
        document = {"uri": self.uri(name), "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": document})
        return self.diagnostics(name)

    def change(self, name: str, version: int, *changes: dict[str, Any]) -> None:
        document = {"uri": self.uri(name), "version": version}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": list(changes)})

    def diagnostics(self, name: str, version: int | None = None) -> list[dict[str, Any]]:
        """The next diagnostics of a file, of one version."""
        while True:
            for message in self.notices:
                if message["method"] == "textDocument/publishDiagnostics":
                    params = message["params"]
                    if params["uri"] == self.uri(name) and version in (None, params.get("version")):
                        self.notices.remove(message)
                        return params["diagnostics"]
            self._other(self.messages.get(timeout=TIMEOUT_S))

    def at(self, method: str, name: str, line: int, character: int, **more: Any) -> Any:
        """Ask about a place of a file."""
        position = {"line": line, "character": character}
        return self.ask(f"textDocument/{method}", {"textDocument": {"uri": self.uri(name)}, "position": position, **more})

    def end(self) -> int:
        """Shut the server down; its exit code."""
        try:
            self.ask("shutdown", None)
            self.tell("exit", None)
            return self.process.wait(TIMEOUT_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.reader.join(TIMEOUT_S)
            self.process.stdin.close()
            self.process.stdout.close()
