"""Checks that need no shapes: also of blocks that nothing calls, and of layers that a `when` leaves out."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final

from archspec.diagnostics import hints
from archspec.expressions import UNKNOWN_VALUE, Expression, ExpressionError, evaluate, template
from archspec.language import fixes
from archspec.language.libraries import standard_library
from archspec.language.message_text import close, short
from archspec.language.names import WORD, names_in
from archspec.language.parse import SEQUENTIAL, SHARE
from archspec.language.syntax import At, Block, Body, Errors, Layer, Library, Program
from archspec.language.unknown import may_be_layer, meant_field, unknown_kind
from archspec.ops import OPS, Merge

_SHAPES: Final = ("in", "input")
_AROUND: Final = 1_000  # characters around a mistake in which a name counts as mentioned
_UNUSED: Final = 200  # names that nothing uses are looked at more closely up to here


def check_names(program: Program, errors: Errors) -> Callable[[], None]:
    """Note names that nothing defines, wherever they stand.

    Returns what notes the vars and params that nothing uses: to be called when all else was reported, since a name
    without its `$` was meant to be one.
    """
    checks = [_Check(lib, program, errors) for lib in program.library.all() if lib is not standard_library()]
    for check in checks:
        check.run()

    def check_unused() -> None:
        for check in checks:
            check.unused()

    return check_unused


class _Check:
    """The names of one file."""

    def __init__(self, library: Library, program: Program, errors: Errors) -> None:
        self.library = library
        self.program = program
        self.errors = errors
        self.unknown: set[str] = set()  # names that nothing defines, as they were written
        self.beside_mistakes = frozenset[str]()

    def run(self) -> None:
        """Everything that is written in the file."""
        names = _Names("", self.library.vars, self.program.inputs or ("input",))
        for raw, at in self.library.vars.values():
            self.expressions(raw, at, names)
        own = self.library is self.program.library
        for body in self.program.stages.values() if own else ():
            self.body(body, names)
        for block in self.library.blocks.values():
            self.block(block)
        self.beside_mistakes = self._words_near_mistakes()
        _recursion(self.library, self.program, self.errors)

    def unused(self) -> None:
        """Vars and params that nothing uses."""
        mentioned = self.beside_mistakes | self.errors.meant
        for block in self.library.blocks.values():
            self.unused_params(block, mentioned)
        self.unused_vars(mentioned)

    # -- names that nothing uses -----------------------------------------------------------------------

    def _words_near_mistakes(self) -> frozenset[str]:
        """A broken text may have been meant to use them."""
        texts = {(d.span.line, d.span.text[max(0, d.span.column - _AROUND) : d.span.column + _AROUND])
                 for d in self.errors.found if d.span}
        return frozenset(word for _, text in texts for word in WORD.findall(text))

    def unused_vars(self, mentioned: frozenset[str]) -> None:
        """A var that no expression names is reported, unless a misspelt name was probably meant to be it."""
        names = self.library.vars
        users: Iterable[Any] = [block.at.value() for block in self.library.blocks.values()]
        if self.library is self.program.library:
            data = self.program.data
            users = [*users, *(v for k, v in data.items() if k not in ("vars", "blocks", "name", "description"))]
            users = [*users, *self.program.overridden]
        used = set(mentioned).union(*map(names_in, users))
        for name, (raw, _) in names.items():
            used.update(names_in(raw) - {name})
        for name in [name for name in names if name not in used][:_UNUSED]:
            at = names[name][1]
            if close(name, self.unknown) is None and not self.errors.is_reported("SPEC022", at.key):
                near = close(name, [other for other in used if other not in names])
                own = at.document.name in self.library.documents
                gone = fixes.removed("remove it", at) if own else "remove it there"
                if at.document.name != next(iter(self.program.files)) and self.library is self.program.library:
                    gone = f"remove it here: `vars: {{{short(name)}: null}}`"
                self.errors.add("SPEC025", f"nothing uses the var `{short(name)}`", at, key=True,
                                hint=hints.near(near) if near else gone)

    def unused_params(self, block: Block, mentioned: frozenset[str]) -> None:
        """As for vars, in one block."""
        used = mentioned | names_in(block.body.at.value())
        used = used.union(*(names_in(param.default) - {param.name} for param in block.params))
        for param in [p for p in block.params if p.name not in used][:_UNUSED]:
            if close(param.name, self.unknown) is None and not self.errors.is_reported("SPEC022", param.at.key):
                self.errors.add("SPEC025", f"nothing uses the param `{short(param.name)}` of `{short(block.name)}`",
                                param.at, key=True, hint="remove it, or use it in the body")

    # -- names that nothing defines --------------------------------------------------------------------

    def block(self, block: Block) -> None:
        """The defaults, which see the params before them, and the body."""
        names = _Names(block.name, self.library.vars)
        for param in block.params:
            if param.type is None:
                self.expressions(param.default, param.at, names.with_index())  # of a repeat around the call
            names.add(param.name, param.default)
        self.body(block.body, names)

    def body(self, body: Body, names: _Names) -> None:
        """Every layer of a body, which sees the named ones before it."""
        names = names.inside()
        for layer in body.layers:
            self.layer(layer, names)
            if layer.name is not None:
                names.values[layer.name] = "layer"

    def layer(self, layer: Layer, names: _Names) -> None:
        """A layer, and what is written inside it."""
        self.expressions(layer.when, layer.beside("when"), names)
        self.expressions(layer.repeat, layer.beside("repeat"), names)
        self.expressions(layer.share, layer.beside("share"), names)
        if layer.repeat is not None:
            names = names.with_index()
        for branch in (*layer.branches.values(), *((layer.body,) if layer.body else ())):
            self.body(branch, names)
        if layer.kind is None or layer.kind == "?":
            return
        if layer.kind.startswith("$"):
            self.scalar(layer.kind, layer.head, names)
        elif layer.kind in OPS:
            self.fields(layer)
        elif layer.kind not in (SEQUENTIAL, SHARE) and self.library.find(layer.kind) is None:
            unknown_kind(layer.kind, layer.head, self.library, self.errors, names.layers, stages=self.program.stages,
                         values=names.values)
        if layer.args is not None and layer.body is None:
            self.expressions(layer.args, layer.at, names)

    def fields(self, layer: Layer) -> None:
        """The fields' names; their values need shapes."""
        cls = OPS[layer.kind or ""]
        if isinstance(layer.args, dict) and not issubclass(cls, Merge):
            for key in layer.args:
                if key not in cls.model_fields:
                    self.errors.add("SPEC010", f"`{cls.op}` has no field `{short(key)}`", layer.at / key, key=True,
                                    hint=meant_field(cls, key, layer.args, layer.at / key)[1])

    def expressions(self, raw: Any, at: At, names: _Names) -> None:
        """Every `$name` and `$(…)` in a raw value: their syntax, and the names in them."""
        if isinstance(raw, dict):
            inside = names.with_index() if "repeat" in raw else names
            for key, value in raw.items():
                self.expressions(value, at / key, names if key in ("repeat", "when", "share") else inside)
                if key.startswith("$"):
                    self.scalar(key, (at / key).key, inside)
        elif isinstance(raw, list):
            for k, value in enumerate(raw):
                self.expressions(value, at / k, names)
        elif isinstance(raw, str) and raw.startswith("$"):
            self.scalar(raw, at, names)

    def scalar(self, text: str, at: At, names: _Names) -> None:
        """Evaluate with all known names unknown: what is left are syntax and unknown names."""
        try:
            expression = template(text)
            if isinstance(expression, Expression):
                evaluate(expression, names.known)
        except ExpressionError as e:
            if e.code not in ("SPEC030", "SPEC031", "SPEC033"):
                return
            word = text[e.offset : e.offset + e.length] if e.code == "SPEC031" else None
            if word in self.errors.lost:
                return
            if word is not None:
                self.unknown.add(word)
            hint = e.hint
            if hint is None and word is not None and word != "i" and word in names_in(text):
                of_block = f", or to the `params` of `{short(names.owner)}`" if names.owner else ""
                hint = f"add `{short(word)}` to `vars`{of_block}"
            self.errors.add(e.code, e.message, at.inside(e.offset, max(1, e.length)), hint=hint,
                            subject=None if word is None else (e.hint or names.owner, word))


class _Names:
    """The names that a body sees. owner: the block's name, empty outside of blocks. inputs: those that `from` sees."""

    def __init__(self, owner: str, names: Mapping[str, tuple[Any, At]], inputs: Iterable[str] = ("input",)) -> None:
        self.owner = owner
        self.values = ChainMap(dict.fromkeys(inputs, "input"))  # what `from` sees beside stages: inputs and layers
        self.known: MutableMapping[str, Any] = dict.fromkeys((*names, *_SHAPES), UNKNOWN_VALUE)
        self.layers = {name for name, (raw, _) in names.items() if may_be_layer(raw)}  # which may hold one

    def add(self, name: str, raw: Any) -> None:
        """A param, with its default or type."""
        self.known[name] = UNKNOWN_VALUE
        self.layers.discard(name)
        if may_be_layer(raw):
            self.layers.add(name)

    def with_index(self) -> _Names:
        """The same inside a repeat."""
        if "i" in self.known:
            return self
        inside = self.inside()
        inside.known = ChainMap({"i": UNKNOWN_VALUE}, self.known)
        return inside

    def inside(self) -> _Names:
        """The same for a body: what gets a name in it is not seen outside."""
        inside = _Names(self.owner, {})
        inside.layers, inside.known, inside.values = self.layers, self.known, self.values.new_child()
        return inside


def _recursion(library: Library, program: Program, errors: Errors) -> None:
    """Blocks that call themselves although nothing calls them. A file's blocks cannot be called by a library's."""
    blocks, done = library.blocks, set[str]()
    for start in blocks:
        way: dict[str, Iterator[Layer]] = {}  # the blocks being looked at, each called by the one before it
        if start not in done:
            way[start] = _layers(blocks[start].body)
        while way:
            name = next(reversed(way))
            layer = next(way[name], None)
            called = layer.kind or "" if layer else ""
            if layer is None:
                done.add(name)
                del way[name]
            elif called in way:
                names = list(way)
                cycle = names[names.index(called) :]
                program.cyclic.update(blocks[name] for name in cycle)
                errors.add("SPEC026", f"block `{called}` calls itself: {short(' → '.join([*cycle, called]))}",
                           layer.head, hint="a block cannot contain itself; use `repeat`")
            elif called in blocks and called not in done:
                way[called] = _layers(blocks[called].body)


def _layers(body: Body) -> Iterator[Layer]:
    for layer in body.layers:
        yield layer
        for inner in (*layer.branches.values(), *((layer.body,) if layer.body else ())):
            yield from _layers(inner)
