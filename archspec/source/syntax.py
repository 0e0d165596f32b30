"""Explains the YAML parser's syntax errors, with hints that say what to write."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from archspec.diagnostics import Diagnostic, SourceSpan
from archspec.source.brackets import is_closed, open_brackets

_LOOKED: Final = 50  # lines above a fault that are searched


@dataclass(frozen=True, slots=True)
class Fault:
    """The parser's error: `problem` while doing `context`, with their places from 0."""

    name: str
    lines: tuple[str, ...]
    problem: str
    context: str
    line: int
    column: int
    context_line: int
    context_column: int
    quote: tuple[int, int, int, int] = (0, 0, 0, 0)  # where the last quoted text starts and ends

    def char(self) -> str:
        """The character at the problem; empty at the end of a line."""
        return self.text(self.line)[self.column : self.column + 1]

    def text(self, line: int) -> str:
        """The text of a line; empty after the last."""
        return self.lines[line] if line < len(self.lines) else ""

    def tell(self, message: str, hint: str | None, *, opened: bool = False, code: str = "SPEC002") -> Diagnostic:
        """A diagnostic at the problem, or where the context `opened`."""
        line, column = (self.context_line, self.context_column) if opened else (self.line, self.column)
        if line >= len(self.lines) or (line == len(self.lines) - 1 and not self.lines[line] and line):
            line = len(self.lines) - 1  # the end of the text: show the last line that is not empty
            while line and not self.lines[line].strip():
                line -= 1
            column = len(self.lines[line])
        return Diagnostic(code, message, SourceSpan(self.name, line + 1, column + 1, 1, self.text(line)), (), hint)


def fault_of(
    exc: Exception, name: str, lines: tuple[str, ...], quote: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> Fault:
    """The parts of a PyYAML error."""
    mark: Any = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    opened: Any = getattr(exc, "context_mark", None) or mark
    line, column = (mark.line, mark.column) if mark is not None else (0, 0)
    start_line, start_column = (opened.line, opened.column) if opened is not None else (0, 0)
    problem = str(getattr(exc, "problem", None) or "it cannot be read")
    context = str(getattr(exc, "context", None) or "")
    return Fault(name, lines, problem, context, line, column, start_line, start_column, quote)


def translate(fault: Fault) -> tuple[Diagnostic, str]:
    """The diagnostic of a syntax error, and the name of the rule that reports it."""
    for rule in _RULES:
        found = rule(fault)
        if found is not None:
            return found, rule.__name__.strip("_")
    return fault.tell(f"not YAML: {fault.problem}", None), ""


def _tab(fault: Fault) -> Diagnostic | None:
    for line in (fault.line, fault.context_line):
        text = fault.text(line)
        indent = text[: len(text) - len(text.lstrip(" \t"))]
        if "\t" in indent:
            at = replace(fault, line=line, column=indent.index("\t"))
            return at.tell("a tab cannot indent a line", "indent with spaces")
    if fault.char() == "\t":
        return fault.tell("a tab is not allowed here", "write spaces")
    return None


def _directive(fault: Fault) -> Diagnostic | None:
    if "directive" not in fault.problem + fault.context and not (fault.char() == "%" and fault.column == 0):
        return None
    line = fault.line if fault.text(fault.line).startswith("%") else fault.context_line
    at = replace(fault, line=line, column=0)
    return at.tell("YAML directives (`%…`) are not allowed", "delete the line", code="SPEC005")


def _open_above(fault: Fault) -> Diagnostic | None:
    """A list item, or the end of the text, below an open bracket."""
    if "could not find expected ':'" in fault.problem:
        below, column = fault.context_line, fault.context_column
    elif "node content" in fault.problem and fault.char() in ("-", ""):
        below, column = fault.line, fault.column
    else:
        return None
    if fault.text(below)[:column].strip():
        return None
    for line in range(below - 1, max(-1, below - _LOOKED), -1):
        missing = open_brackets(fault.text(line))
        if missing and open_brackets("\n".join(fault.lines[line:below])):
            opener = "[" if missing[-1] == "]" else "{"
            at = replace(fault, line=line, column=fault.text(line).rindex(opener))
            return at.tell(f"the `{opener}` opened here is not closed", f"add the closing `{missing[-1]}`")
    return None


def _bracket_after_key(fault: Fault) -> Diagnostic | None:
    match = re.match(r" *(?:- +)*(?=[\w$.-]+ +[\[{])", fault.text(fault.line))
    if match is None or not fault.column > match.end():
        return None
    return _key_alone(fault, fault.line, match.end())


def _nesting(fault: Fault) -> Diagnostic | None:
    if "nesting" not in fault.problem + fault.context:
        return None
    return fault.tell("nested too deeply to be read", "name the inner part as a block", code="SPEC003")


def _long_quote(fault: Fault) -> Diagnostic | None:
    """A quote that is closed by the opening quote of a text on a later line."""
    line, column, end_line, end_column = fault.quote
    if line == end_line or end_line != fault.line or fault.column < end_column:
        return None
    if not re.search(r"while parsing a (block|flow)", fault.context) and "mapping values" not in fault.problem:
        return None
    mark = fault.text(line)[column : column + 1]
    at = replace(fault, line=line, column=column)
    return at.tell(f"the quote opened here is closed only on line {end_line + 1}", f"add the closing `{mark}`")


def _quote(fault: Fault) -> Diagnostic | None:
    if "quoted scalar" not in fault.context or "escape" in fault.problem:
        return None
    if "end of stream" not in fault.problem and "document separator" not in fault.problem:
        return None
    mark = fault.text(fault.context_line)[fault.context_column : fault.context_column + 1]
    return fault.tell("the quote opened here is not closed", f"add the closing `{mark}`", opened=True)


def _escape(fault: Fault) -> Diagnostic | None:
    if "escape" not in fault.problem and "double-quoted scalar" not in fault.context:
        return None
    at = replace(fault, column=max(0, fault.text(fault.line).rfind("\\", 0, fault.column + 1)))
    return at.tell("not a valid YAML escape", "write the backslash twice, or use single quotes")


def _first_char(fault: Fault) -> Diagnostic | None:
    if "cannot start any token" not in fault.problem:
        return None
    char = "a backtick" if fault.char() == "`" else f"`{fault.char()}`"
    return fault.tell(f"a value cannot start with {char}", "put the value in quotes")


def _anchor(fault: Fault) -> Diagnostic | None:
    for kind, mark in (("alias", "*"), ("anchor", "&")):
        if f"scanning an {kind}" in fault.context:
            hint = f"put the value in quotes if it is text that starts with `{mark}`"
            return fault.tell(f"`{mark}` starts an {kind}, which is not allowed", hint, opened=True, code="SPEC005")
    return None


def _tag(fault: Fault) -> Diagnostic | None:
    if "tag" not in fault.problem + fault.context:
        return None
    place = fault.text(fault.context_line).find("!", min(fault.column, fault.context_column))
    at = replace(fault, line=fault.context_line, column=max(place, 0))
    return at.tell("YAML tags (`!…`) are not allowed", "delete the tag, or quote a text", code="SPEC005")


def _second_colon(fault: Fault) -> Diagnostic | None:
    if "mapping values are not allowed" not in fault.problem:
        return None
    before = fault.text(fault.line)[: fault.column]
    if re.fullmatch(r"\s*(?:- +)*[^\s:#][^:#]*", before) and fault.line:
        return _continued(fault, before)
    return fault.tell(
        "a second `:` in the value of one line",
        "put what follows in braces (`{key: value}`) or on a line of its own, or quote a text that contains `: `",
    )


def _continued(fault: Fault, before: str) -> Diagnostic:
    """A key that YAML reads as the second line of the value above it."""
    above = max((i for i in range(fault.line) if fault.text(i).strip()), default=0)
    glued = re.match(r" *(?:- +)*[\w$.-]+(?=:\S)", fault.text(above))
    if glued is not None:
        at = replace(fault, line=above, column=glued.end())
        return at.tell("no space after `:`", "write a space after the colon")
    indent, indent_above = (len(t) - len(t.lstrip()) for t in (before, fault.text(above)))
    if indent == indent_above and ":" not in fault.text(above):
        return _key_alone(fault, above, indent)
    return replace(fault, column=indent).tell(
        f"`{before.strip().removeprefix('- ').strip()[:60]}` is indented under a line that already has a value",
        "align it with the keys it belongs to, or end the line above it with `:`",
    )


def _list_in_line(fault: Fault) -> Diagnostic | None:
    if "sequence entries are not allowed" not in fault.problem:
        return None
    return fault.tell("a list with `-` cannot start here", "start it on a line of its own, or write `[…]`")


def _no_opener(fault: Fault) -> Diagnostic | None:
    """`{a: 1, 2], b: 3}`: the value before a closing bracket lacks the opening one."""
    char, before = fault.char(), fault.text(fault.line)[: fault.column]
    match = re.search(r": *([^\[\]{}:\"']*,[^\[\]{}:\"']*)$", before)
    if char != "]" or match is None or "flow" not in fault.context:
        return None
    value = match[1].split(",")[0].strip()[:40]
    return fault.tell("`]` was not opened", f"write `[` before `{value}`")


def _flow(fault: Fault) -> Diagnostic | None:
    match = re.search(r"while parsing a flow (sequence|mapping)", fault.context)
    if match is None or "expected" not in fault.problem:
        return None
    opener, closer = "[]" if match[1] == "sequence" else "{}"
    if fault.char() in {"]", "}"} - {closer}:
        outer = open_brackets(fault.text(fault.context_line)[: fault.context_column])
        if outer and outer[-1] == fault.char():
            return fault.tell(f"a `{closer}` is missing before this", f"close the `{opener}` with `{closer}`")
        return fault.tell(f"`{fault.char()}` where `{closer}` should be", f"write `{closer}`")
    if is_closed(_from_context(fault), opener, closer) and fault.char() != closer and not _outside(fault):
        hint = f"add `,` between the items of `{opener}…{closer}`"
        return fault.tell(f"a `,` or `{closer}` is missing before this", hint)
    return fault.tell(f"the `{opener}` opened here is not closed", f"add the closing `{closer}`", opened=True)


def _from_context(fault: Fault) -> str:
    return "\n".join(fault.lines[fault.context_line : fault.line + 20])[fault.context_column :]


def _outside(fault: Fault) -> bool:
    """Whether the problem is at a key that is indented no deeper than the line of the context."""
    text, opening = fault.text(fault.line), fault.text(fault.context_line)
    depth = len(opening) - len(opening.lstrip(" "))
    return fault.line > fault.context_line and bool(re.match(rf" {{0,{depth}}}(?:- +)*[\w$.-]+ *:", text))


def _no_colon(fault: Fault) -> Diagnostic | None:
    if "could not find expected ':'" not in fault.problem:
        return None
    text = fault.text(fault.context_line)
    match = re.compile(r"[^\s:]+:(?=[^\s:])").match(text, fault.context_column)
    if match:
        at = replace(fault, line=fault.context_line, column=match.end() - 1)
        return at.tell("no space after `:`", "write a space after the colon")
    return _key_alone(fault, fault.context_line, fault.context_column)


def _key_alone(fault: Fault, line: int, column: int) -> Diagnostic:
    """A key without a colon. Alone on a line below an item of a list, it may be the next item."""
    text, at = fault.text(line), replace(fault, line=line, column=column)
    word = re.compile(r"[\w$.-]+").match(text, column)
    if word is None:
        return at.tell("a key without `:`", "write `key: value`")
    hint = f"write `{word[0][:60]}:`"
    if text.partition(" #")[0].strip() == word[0] and _is_below_item(fault, line, column):
        hint += f" for a key, or `- {word[0][:60]}` for the next item of the list"
    return at.tell("a key without `:`", hint)


def _is_below_item(fault: Fault, line: int, column: int) -> bool:
    """Whether the last line above that is less indented begins an item whose keys are at this column."""
    above = (text for k in range(line - 1, max(-1, line - _LOOKED), -1) if (text := fault.text(k)).strip())
    outer = next((text for text in above if len(text) - len(text.lstrip(" ")) < column), "")
    return re.fullmatch(r" *(- +)+", outer[:column]) is not None


def _unexpected_colon(fault: Fault) -> Diagnostic | None:
    if "found unexpected ':'" not in fault.problem:
        return None
    return fault.tell("no space after `:`", "write a space after the colon")


def _nothing(fault: Fault) -> Diagnostic | None:
    if "node content" not in fault.problem and not re.search(r"expected the node content", fault.problem):
        return None
    char = fault.char()
    if char in {"]", "}"}:
        return fault.tell(f"`{char}` was not opened", "delete it, or add the opening bracket")
    if char == ":":
        return fault.tell("no key before this `:`", "write `key: value`")
    if char == ",":
        return fault.tell("no value before this `,`", "delete the comma, or write the value")
    return fault.tell("a value is missing here", "write the value, or quote it")


def _indent(fault: Fault) -> Diagnostic | None:
    if not re.search(r"while parsing a block (mapping|collection)", fault.context):
        return None
    text = fault.text(fault.line)
    if fault.char() == ":":
        return fault.tell("no key before this `:`", "write `key: value`")
    if fault.char() in {"]", "}"}:
        return fault.tell(f"`{fault.char()}` was not opened", "delete it, or add the opening bracket")
    if not text[: fault.column].strip():
        return fault.tell(
            "this line's indentation matches no line above it", "align it with the keys or `-` that it belongs to"
        )
    _, _, end_line, end_column = fault.quote
    if end_column and end_line == fault.line and not text[end_column : fault.column].strip():
        return _after_quote(fault)
    return fault.tell("nothing may follow the value here", "put it on a line of its own, or quote the whole value")


def _after_quote(fault: Fault) -> Diagnostic:
    line, column, _, _ = fault.quote
    mark = fault.text(line)[column : column + 1]
    inside = {"'": "in it write `''`", '"': 'in it write `\\"`'}.get(mark, "")
    return fault.tell("the quoted text ends before this", f"put all of it in the quotes; for a quote {inside}")


def _after_end(fault: Fault) -> Diagnostic | None:
    if "document start" not in fault.problem:
        return None
    return fault.tell("text after the end of the whole value", "indent it, or make one mapping of both")


def _block_scalar(fault: Fault) -> Diagnostic | None:
    if "block scalar" not in fault.context:
        return None
    hint = "put the text on the lines below, indented with spaces"
    return fault.tell("not a valid header of a block text (`|` or `>`)", hint)


_RULES: Final[tuple[Callable[[Fault], Diagnostic | None], ...]] = (
    _nesting, _tab, _open_above, _bracket_after_key, _directive, _long_quote, _quote,
    _escape, _no_opener, _first_char, _anchor, _tag, _second_colon, _list_in_line, _flow, _no_colon,
    _unexpected_colon, _nothing, _indent, _after_end, _block_scalar,
)  # fmt: skip
