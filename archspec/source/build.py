"""YAML's events → data and places. PyYAML does not compose or construct anything, so nothing is expanded."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from typing import Any, Final

from yaml import events as ev

from archspec.diagnostics import Diagnostic, Label, SourceSpan
from archspec.diagnostics.wording import shortened
from archspec.source.document import Limits, Node
from archspec.source.repair import Cut, cut_at, unbalanced
from archspec.source.report import MAX_ERRORS, Reporter, Stop, cut_diagnostic, too_many, unmoved
from archspec.source.scalars import BROKEN, NumberTooLong, resolve

_NO_SPACE = r"[\w$.-]+:(?=\S)"
_NO_COLON = r"[\w$.-]+(?= +[\[{])"
_FREE: Final = ("name", "data", "extends", "use")  # values that may contain any visible character
_DIGITS: Final = frozenset("0123456789")
_WAITING: Final = object()  # a mapping expects a key
_DROPPED: Final = object()  # the next value has no usable key


class _Frame:
    """A collection that is not complete yet."""

    __slots__ = ("as_key", "data", "flow", "key", "key_node", "node", "places", "spoilt")

    def __init__(self, data: Any, node: Node, places: Any, flow: bool, as_key: bool) -> None:
        self.data = data
        self.node = node
        self.places = node.items = places
        self.flow = flow
        self.as_key = as_key
        self.key: object = _WAITING
        self.spoilt = False  # an error in the key also drops the value
        self.key_node = node


class Builder(Reporter):
    """Builds one document from events.

    holes: where placeholders stand for unreadable text.
    """

    def __init__(
        self, name: str, text: str, lines: tuple[str, ...], limits: Limits,
        holes: Container[tuple[int, int]] = frozenset(), place: Callable[[int, int], tuple[int, int]] = unmoved,
    ) -> None:
        super().__init__(name, lines, place)
        self.text = text
        self.limits = limits
        self.holes = holes
        self.cuts: list[Cut] = []  # expressions to replace before the text is parsed again
        self.cut_errors: list[Diagnostic] = []
        self.last = (0, 0, 0, 0)  # where the last quoted scalar of `text` starts and ends
        self.lost: set[str] = set()  # words in unreadable text
        self.odd: list[tuple[int, int, frozenset[str]]] = []  # parts of `text` with lookalike characters
        self.documents = 0
        top = Node(0, 0, 0, 0)
        self.stack = [_Frame([], top, [], False, False)]

    @property
    def data(self) -> Any:
        """The value of the document; None for an empty text."""
        return self.stack[0].data[0] if self.stack[0].data else None

    @property
    def root(self) -> Node:
        """The node of the document's value."""
        return self.stack[0].places[0] if self.stack[0].places else Node(0, 0, 0, 0)

    def run(self, events: Iterable[Any]) -> None:
        """Process all events. Raises Stop at a limit."""
        for count, event in enumerate(events):
            if count >= self.limits.max_events:
                message = f"more than {self.limits.max_events} YAML events"
                raise Stop(self.diagnostic("SPEC003", message, event, hint="split the file"))
            kind = type(event)
            if kind is ev.ScalarEvent:
                self._scalar(event)
            elif kind is ev.MappingStartEvent:
                self._open(event, {}, {})
            elif kind is ev.SequenceStartEvent:
                self._open(event, [], [])
            elif kind is ev.MappingEndEvent or kind is ev.SequenceEndEvent:
                self._close(event)
            elif kind is ev.AliasEvent:
                self._alias(event)
            elif kind is ev.DocumentStartEvent and not self._document(event):
                return

    def _document(self, event: Any) -> bool:
        self.documents += 1
        if self.documents > 1:
            self.report("SPEC005", "a second YAML document", event, hint="put it in a file of its own")
        return self.documents == 1

    def _open(self, event: Any, data: Any, places: Any) -> None:
        if len(self.stack) > self.limits.max_depth:
            raise Stop(self.diagnostic(
                "SPEC003", f"nested deeper than {self.limits.max_depth} levels", event, length=1,
                hint="name the inner part as a block",
            ))
        self._properties(event)
        parent = self.stack[-1]
        as_key = type(parent.data) is dict and parent.key is _WAITING
        if as_key:
            kind = "mapping" if type(data) is dict else "list"
            self.report("SPEC008", f"a {kind} cannot be a key", event, length=1, hint="write a plain name as the key")
            self._mute()
        node = Node(*self.place(event.start_mark.line, event.start_mark.column), -1, 0)
        self.stack.append(_Frame(data, node, places, bool(event.flow_style), as_key))

    def _close(self, event: Any) -> None:
        frame = self.stack.pop()
        if frame.flow:  # for a block collection the event is at the next token
            frame.node.end_line, frame.node.end_column = self.place(event.end_mark.line, event.end_mark.column)
        if frame.as_key:
            self.stack[-1].key = _DROPPED
            self._unmute()
        else:
            self._add(frame.data, frame.node)

    def _add(self, value: Any, node: Node) -> None:
        frame = self.stack[-1]
        if type(frame.data) is list:
            frame.data.append(value)
            frame.places.append(node)
            return
        if frame.key is not _DROPPED:
            frame.data[frame.key] = BROKEN if frame.spoilt else value
            frame.places[frame.key] = (frame.key_node, node)
        frame.key, frame.spoilt = _WAITING, False
        self._unmute()

    def _mute(self) -> None:
        """Report nothing inside the next key or value of this mapping."""
        if self.muted is None:
            self.muted = len(self.stack)

    def _unmute(self) -> None:
        if self.muted == len(self.stack):
            self.muted = None

    def _scalar(self, event: Any) -> None:
        node = self.node(event)
        if event.anchor is not None or event.tag is not None:
            self._properties(event)
        if event.style:
            start, end = event.start_mark, event.end_mark
            self.last = (start.line, start.column, end.line, end.column)
        frame = self.stack[-1]
        if not event.value.isascii():
            self._odd(event, type(frame.data) is dict and frame.key is _WAITING)
        expects_key = type(frame.data) is dict and frame.key is _WAITING
        if frame.flow and (expects_key or type(frame.data) is list) and self._decimal_comma(frame, event):
            frame.key = _DROPPED if expects_key else frame.key
        elif expects_key:
            frame.key = self._key(frame, event)
            frame.key_node = node
        else:
            self._add(self._value(event), node)

    def _decimal_comma(self, frame: _Frame, event: Any) -> bool:
        """Report a number whose decimal comma made it two entries."""
        start = event.start_mark.index
        if event.style or event.value[:1] not in _DIGITS or self.text[start - 1 : start] != ",":
            return False
        from archspec.source.decimals import split_number

        found = split_number(frame.data, frame.places, self.text, start, event.end_mark.index)
        if found is not None:
            self.split_number(found.node, event)
            found.data[found.key] = BROKEN
        return found is not None

    def _odd(self, event: Any, is_key: bool) -> None:
        """Report invisible and lookalike characters where they are certainly a mistake."""
        section = self.stack[1].key if len(self.stack) > 1 and not is_key else None
        if event.style or section == "description":
            return
        from archspec.source.characters import invisible, odd

        own = self.stack[-1].key if not is_key else None
        if own in _FREE or section in _FREE:
            found = frozenset(k for k, meant in invisible(event.value).items() if not meant)
        else:
            found = frozenset(odd(event.value, strict=is_key))
        if found:
            self.odd.append((event.start_mark.index, event.end_mark.index, frozenset(event.value[k] for k in found)))

    def _value(self, event: Any) -> Any:
        if event.tag is not None or (event.start_mark.line, event.start_mark.column) in self.holes:
            return BROKEN
        text = event.value
        if event.style:  # quoted or a block scalar: never a number
            return BROKEN if self.forbidden(event) else text
        if text.startswith("$(") and self._cut(event):
            return BROKEN
        try:
            return resolve(text)
        except NumberTooLong as exc:
            self.report("SPEC009", str(exc), event, hint="write a shorter number, or quote it to make it text")
            return BROKEN

    def _key(self, frame: _Frame, event: Any) -> object:
        text = event.value
        if (event.start_mark.line, event.start_mark.column) in self.holes:
            return _DROPPED
        if event.style:
            if self.forbidden(event):
                return _DROPPED
        elif match := re.match(_NO_SPACE, text):
            self.no_space(event, match.end())
            frame.spoilt, text = True, text[: match.end() - 1]
        elif match := re.match(_NO_COLON, text):
            self.report("SPEC002", "a key without `:`", event, hint=f"write `{match[0][:60]}:`", length=match.end())
            self.lost.update(re.findall(r"[A-Za-z_]\w*", text))
            frame.spoilt, text = True, match[0]
        elif not self._plain_key(text, event):
            return _DROPPED
        if text in frame.data:
            key = frame.places[text][0]
            line, length = self.lines[key.line], key.end_column - key.column
            first = SourceSpan(self.name, key.line + 1, key.column + 1, length, line)
            self.report(
                "SPEC004", f"duplicate key `{shortened(text)}`", event, hint="rename one of the two, or delete it",
                related=(Label(first, "first written here"),),
            )
            return _DROPPED
        return text

    def _plain_key(self, text: str, event: Any) -> bool:
        if text.startswith("$(") and self._cut(event):
            return False
        if text == "<<":
            hint = "write the keys out, or share a block"
            self.report("SPEC005", "merge keys (`<<`) are not allowed", event, hint=hint)
            self._mute()
            return False
        try:
            value = resolve(text)
        except NumberTooLong as exc:
            self.report("SPEC009", str(exc), event, hint="write a plain name as the key")
            return False
        if type(value) is str or (type(value) is int and str(value) == text):
            return True
        if value is None:
            what, hint = "an empty key" if not text else f"the key `{text}` is null", "write a name before the `:`"
        else:
            kind = "true or false" if type(value) is bool else "a number"
            what, hint = f"the key `{text[:60]}` is {kind}, not a name", f'quote it: "{text[:60]}"'
        self.report("SPEC008", what, event, hint=hint, put=None if value is None else f'"{text}"')
        return False

    def _cut(self, event: Any) -> bool:
        """Report an expression that YAML splits at its brackets."""
        if not unbalanced(event.value):
            return False
        start = event.start_mark.index
        cut = cut_at(self.text, start, event.end_mark.index)
        place = self.place(event.start_mark.line, event.start_mark.column)
        if not self.stack[-1].flow:
            self.note(cut_diagnostic(self.name, self.text, self.lines, cut, *place))
        elif not self.cuts or self.cuts[-1].end <= start:
            self.cuts.append(cut)
            self.cut_errors.append(cut_diagnostic(self.name, self.text, self.lines, cut, *place))
            if len(self.cuts) >= MAX_ERRORS:
                raise Stop(too_many(self.cut_errors[-1]))
        return True

    def _properties(self, event: Any) -> None:
        if event.anchor is not None:
            self.report(
                "SPEC005", f"anchor `&{event.anchor[:60]}` is not allowed", event, length=len(event.anchor) + 1,
                hint="name the value in `vars` and write `$name`, or make it a block",
            )
        if event.tag is not None:
            line, column = self.place(event.start_mark.line, event.start_mark.column)
            match = re.compile(r"!\S*").search(self.lines[line], column)
            tag = match[0] if match else "!"
            hint = "delete the tag; quote a value to make it text"
            self.report("SPEC005", f"tag `{tag[:60]}` is not allowed", event, hint=hint, length=len(tag), put="")

    def _alias(self, event: Any) -> None:
        self.report(
            "SPEC005", f"alias `*{event.anchor[:60]}` is not allowed", event,
            hint="write the value out, or name it in `vars` and write `$name`",
        )
        frame = self.stack[-1]
        if type(frame.data) is dict and frame.key is _WAITING:
            frame.key = _DROPPED
            return
        self._add(BROKEN, self.node(event))
