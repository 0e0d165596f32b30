"""Text → syntax tree: a Pratt parser (Pratt 1973, "Top down operator precedence") with Python's precedences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from archspec.diagnostics import Hint, listing, nearest, plural
from archspec.diagnostics.hints import write, write_near
from archspec.expressions import nodes
from archspec.expressions.functions import FUNCTIONS, Function
from archspec.expressions.values import MAX_LEVELS, Place

MAX_LENGTH: Final = 1_000
_MAX_RECURSION: Final = 100  # of `expression`; brackets are bounded by MAX_LEVELS besides

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)
    | (?P<field>\.(?:[0-9]+|[^\W\d]\w*))
    | (?P<name>[^\W\d]\w*)
    | (?P<text>"[^"]*"|'[^']*')
    | (?P<sign>\*\*|//|<=|>=|==|!=|[-+*/%<>()\[\],=])""",
    re.VERBOSE,
)
_CONSTANTS: Final = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None,
}  # fmt: skip
_WORDS: Final = frozenset({"and", "or", "not", "if", "else"})
_IF, _OR, _AND, _NOT, _COMPARE, _ADD, _MULTIPLY, _SIGN, _POWER = range(1, 10)
_POWERS: Final = {
    "if": _IF, "or": _OR, "and": _AND, "**": _POWER,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), _COMPARE),
    **dict.fromkeys(("+", "-"), _ADD), **dict.fromkeys(("*", "/", "//", "%"), _MULTIPLY),
}  # fmt: skip
_FOREIGN: Final = {
    "&": "write `and`", "|": "write `or`", "!": "write `not`", "?": "write `x if condition else y`", "^": "write `**`",
    "$": "inside `$(…)` a name has no `$`", "~": "write `null`", "{": "mappings cannot be written in an expression",
}  # fmt: skip


@dataclass(slots=True, eq=False, repr=False, match_args=False)
class Token(Place):
    """A token of an expression. After the last one comes one of kind `end`."""

    kind: str
    text: str


def tokens_of(text: str, start: int, end: int) -> list[Token]:
    """The tokens of text[start:end]. Raises ExpressionError."""
    found = []
    while start < end:
        match = _TOKEN.match(text, start, end)
        if match is None:
            char = text[start]
            place = Place(start, 1)
            if char in "\"'":
                Place(start, end - start).fail("the quote is not closed", f"add {char}", "SPEC030")
            place.fail(f"unexpected `{char}`", _FOREIGN.get(char), "SPEC030")
        if match.lastgroup not in (None, "space"):
            found.append(Token(start, match.end() - start, str(match.lastgroup), match[0]))
        start = match.end()
    found.append(Token(end, 1, "end", ""))
    return found


class Parser:
    """Parses one expression. `used` are its names, in the order of the text."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.tokens = tokens_of(text, start, end)
        self.position = 0
        self.levels = 0
        self.recursion = 0
        self.used: list[nodes.Name] = []

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.position]

    def parse(self) -> nodes.Node:
        """Parse the whole expression. Raises ExpressionError."""
        node = self.expression(0)
        if self.token.kind != "end":
            self._unexpected("an operator or the end")
        return node

    def expression(self, power: int) -> nodes.Node:
        """Parse an expression whose operators bind more tightly than `power`."""
        self.recursion += 1
        if self.recursion > _MAX_RECURSION:
            self.token.fail("nested too deeply", "name a part of it in `vars`", "SPEC033")
        left = self._prefix(power)
        while (strength := self._strength()) > power:
            left = self._infix(left, strength)
        self.recursion -= 1
        return left

    def _strength(self) -> int:
        token = self.token
        return _POWERS.get(token.text, 0) if token.kind in {"sign", "name"} else 0

    def _infix(self, left: nodes.Node, strength: int) -> nodes.Node:
        token = self.token
        if strength == _IF:
            self._next()
            condition = self.expression(_IF)
            self._expect("else", "`if` needs an `else`: write `x if condition else y`")
            return nodes.Conditional(token, condition, left, self.expression(0))
        if strength == _POWER:
            self._next()
            return nodes.Arithmetic(token, left, ((token, "**", self.expression(_SIGN)),))
        rest = []
        while self._strength() == strength:
            sign = self._next()
            rest.append((sign, sign.text, self.expression(strength)))
        if strength in (_OR, _AND):
            operands = [(rest[0][0], left), *((place, node) for place, _, node in rest)]
            return nodes.Junction(token, token.text, tuple(operands))
        kind = nodes.Comparison if strength == _COMPARE else nodes.Arithmetic
        return kind(token, left, tuple(rest))

    def _prefix(self, power: int) -> nodes.Node:
        token = self._next()
        if token.kind == "number":
            return nodes.Literal(token, self._number(token))
        if token.kind == "text":
            return nodes.Literal(token, token.text[1:-1])
        if token.text in {"-", "+"}:
            return nodes.Sign(token, token.text, self.expression(_SIGN))
        if token.text == "not":
            if power > _NOT:
                token.fail("`not` binds more weakly than the operator before it", "write `(not …)`", "SPEC030")
            return nodes.Not(token, self.expression(_NOT))
        if token.text == "(":
            return self._postfix(self._group(token))
        if token.text == "[":
            return self._postfix(nodes.ListOf(token, self._items(token)))
        if token.kind == "name" and token.text not in _WORDS:
            return self._postfix(self._named(token))
        if token.kind != "end":
            self.position -= 1
        if token.kind == "field" and token.text[1:].isdecimal():
            token.fail("a number cannot start with `.`", Hint(f"write 0{token.text}", f"0{token.text}"), "SPEC030")
        return self._unexpected("a value")

    def _number(self, token: Token) -> int | float:
        text = token.text
        whole = text.isdecimal()
        number = int(text) if whole else float(text)
        token.bounded(number)
        return number

    def _named(self, token: Token) -> nodes.Node:
        if token.text in _CONSTANTS:
            return nodes.Literal(token, _CONSTANTS[token.text])
        if self.token.text == "(":
            return self._call(token)
        node = nodes.Name(token, token.text)
        self.used.append(node)
        return node

    def _postfix(self, node: nodes.Node) -> nodes.Node:
        for _ in range(MAX_LEVELS):
            token = self.token
            if token.kind == "field":
                self._next()
                node = nodes.Field(Place(token.offset + 1, token.length - 1), node, token.text[1:])
            elif token.text == "[":
                self._next()
                index = self._inner(token)
                close = self._expect("]", "`[` is not closed", token)
                place = Place(token.offset + 1, close.offset - token.offset - 1)
                node = nodes.Index(place, node, index)
            elif token.text == "(":
                token.fail("only a function can be called", f"functions: {', '.join(FUNCTIONS)}", "SPEC030")
            else:
                return node
        return self.token.fail("nested too deeply", code="SPEC033")

    def _inner(self, opener: Token) -> nodes.Node:
        """Parse an expression in brackets."""
        self.levels += 1
        if self.levels > MAX_LEVELS:
            opener.fail("nested too deeply", "name a part of it in `vars`", "SPEC033")
        node = self.expression(0)
        self.levels -= 1
        return node

    def _group(self, opener: Token) -> nodes.Node:
        node = self._inner(opener)
        self._expect(")", "`(` is not closed", opener)
        return node

    def _more(self, opener: Token, closer: str, count: int) -> bool:
        """Whether another item follows in a bracket. Consumes the comma before it, or the closing bracket."""
        if count and self.token.text not in {closer, ""}:
            self._expect(",", "")
        if self.token.kind == "end":
            opener.fail(f"`{opener.text}` is not closed", f"add `{closer}`", "SPEC030")
        if self.token.text != closer:
            return True
        self._next()
        return False

    def _items(self, opener: Token) -> tuple[nodes.Node, ...]:
        """Parse the items of a list literal."""
        items: list[nodes.Node] = []
        while self._more(opener, "]", len(items)):
            items.append(self._inner(opener))
        return tuple(items)

    def _call(self, name: Token) -> nodes.Node:
        function = FUNCTIONS.get(name.text)
        if function is None:
            near = nearest(name.text, FUNCTIONS)
            hint = write_near(near) if near else f"functions: {', '.join(FUNCTIONS)}"
            name.fail(f"unknown function `{name.text[:60]}`", hint, "SPEC031")
        opener = self._next()
        given: dict[int, nodes.Node] = {}
        keyword = False
        while self._more(opener, ")", len(given)):
            slot, named = self._slot(len(given), function.parameters, name.text)
            if slot in given or (keyword and not named):
                self.token.fail("an argument out of order", f"write {function.signature}", "SPEC030")
            keyword = keyword or named
            given[slot] = self._inner(opener)
        self._check_count(name, function, given)
        return nodes.Call(name, name.text, tuple(given[slot] for slot in sorted(given)))

    def _check_count(self, name: Token, function: Function, given: dict[int, nodes.Node]) -> None:
        hint = f"write {function.signature}"
        if function.most is None:
            wanted = f"at least {plural(function.least, 'argument')}"
        elif function.most > function.least:
            wanted = f"{function.least} to {function.most} arguments"
        else:
            wanted = plural(function.least, "argument")
        if not function.least <= len(given) <= (function.most or MAX_LENGTH):
            name.fail(f"`{name.text}` takes {wanted}, got {len(given)}", hint)
        for slot in range(len(given)):
            if slot not in given:
                name.fail(f"`{name.text}` needs `{function.parameters[slot]}`", hint)

    def _slot(self, count: int, parameters: tuple[str, ...], name: str) -> tuple[int, bool]:
        """The position of the next argument, and whether it is named."""
        token = self.token
        if token.kind != "name" or self.tokens[self.position + 1].text != "=":
            return count, False
        if token.text not in parameters:
            hint = f"parameters: {listing(parameters)}"
            token.fail(f"`{name}` has no parameter `{token.text[:60]}`", hint, "SPEC031")
        self.position += 2
        return parameters.index(token.text), True

    def _next(self) -> Token:
        token = self.token
        if token.kind != "end":
            self.position += 1
        return token

    def _expect(self, text: str, message: str, at: Token | None = None) -> Token:
        if self.token.text != text:
            if self.token.kind == "end":
                (at or self.token).fail(message, f"add `{text}`", "SPEC030")
            self._unexpected(f"`{text}`")
        return self._next()

    def _unexpected(self, wanted: str) -> nodes.Node:
        token = self.token
        hint = write("==") if token.text == "=" else None
        if token.kind == "end":
            token.fail(f"the expression ends where {wanted} should be", hint, "SPEC030")
        return token.fail(f"unexpected `{token.text[:60]}`, where {wanted} should be", hint, "SPEC030")
