"""PyYAML's own event parser, changed to follow libyaml's rules.

It is used if PyYAML was built without libyaml. Remaining differences, all of them mistakes in a spec: tags with odd
characters, escapes of surrogates, and a comment right after `|`, which libyaml accepts.
"""

from __future__ import annotations

from typing import Any, Final

from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError
from yaml.tokens import ScalarToken

_ENDS: Final = "\0 \t\r\n"


class PureParser(Reader, Scanner, Parser):
    """Events of a text, without PyYAML's composer, resolver and constructor."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def scan_to_next_token(self: Any) -> None:
        """As in libyaml, a tab is white space where it cannot be indentation."""
        while True:
            while self.peek() == " " or (
                self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)
            ):
                self.forward()
            if self.peek() == "#":
                while self.peek() not in "\0\r\n":
                    self.forward()
            if not self.scan_line_break():
                return
            if not self.flow_level:
                self.allow_simple_key = True

    def scan_plain(self: Any) -> ScalarToken:
        """As in libyaml, `?` is a plain character in flow style, and `x:` before a bracket or comma is an error."""
        start = end = self.get_mark()
        chunks: list[str] = []
        gap = ""
        while self.peek() != "#" and not self._document_mark():
            word = self._plain_word(start)
            if word:
                chunks += [gap, word]
                self.allow_simple_key = False
                end = self.get_mark()
            if self.peek() not in " \t\r\n":
                break
            gap = self._plain_gap(start)
            if not self.flow_level and self.column < self.indent + 1:
                break
        return ScalarToken("".join(chunks), True, start, end)

    def _document_mark(self: Any) -> bool:
        return bool(self.column == 0 and self.prefix(3) in ("---", "...") and self.peek(3) in _ENDS)

    def _plain_word(self: Any, start: Any) -> str:
        length = 0
        while (char := self.peek(length)) not in _ENDS:
            following = self.peek(length + 1)
            if self.flow_level and char == ":" and following in ",?[]{}":
                self.forward(length)
                raise ScannerError("while scanning a plain scalar", start, "found unexpected ':'", self.get_mark())
            if (char == ":" and following in _ENDS) or (self.flow_level and char in ",[]{}"):
                break
            length += 1
        word = str(self.prefix(length))
        self.forward(length)
        return word

    def _plain_gap(self: Any, start: Any) -> str:
        """White space inside a plain scalar. Line breaks are folded, and a key may follow one."""
        blanks = ""
        breaks = 0
        while self.peek() in " \t\r\n":
            if self.peek() in "\r\n":
                self.scan_line_break()
                breaks += 1
                self.allow_simple_key = True
                continue
            if breaks and self.peek() == "\t" and self.column < self.indent + 1:
                problem = "found a tab character that violates indentation"
                raise ScannerError("while scanning a plain scalar", start, problem, self.get_mark())
            blanks += "" if breaks else self.peek()
            self.forward()
        return blanks if not breaks else "\n" * (breaks - 1) or " "
