"""Other people's ops, data sets and losses: of installed packages, and of modules that the command line names.

A spec imports nothing: code is loaded only if the user has installed it with an entry point, or names it. Entry points
are read when a name is unknown, so that valid specs of built-in parts never search the installed packages.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from archspec.diagnostics import SpecError, error
from archspec.text import shell

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_OWN: Final = "archspec."  # modules whose names start so are built in
_IMPORT: Final = ("importlib.", "importlib_metadata.")  # the second is its backport, which other packages install


class PluginError(ValueError):
    """A plugin's op, data set or loss cannot be registered."""


class Clash(PluginError):
    """Two plugins use one name."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class Plugin(NamedTuple):
    """Where code comes from.

    name: of the distribution, or of the module if it does not come from an entry point. version: of the distribution.
    argument: the value of `--plugin` that named it.
    """

    name: str
    version: str | None = None
    argument: str | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.argument or self.name

    def to_json(self) -> dict[str, str | None]:
        """The form for `environment.json`."""
        return {"name": self.name, "version": self.version, "argument": self.argument}


class Door:
    """The ops, the data sets, or the losses: built-in ones, and those of plugins.

    kind: in sentences. group: of the entry points. known: everything that is registered, by name. register: takes what
    an entry point refers to.
    """

    def __init__(self, kind: str, group: str, known: MutableMapping[str, Any], register: Callable[[Any], Any]) -> None:
        self.kind, self.group, self.known, self.register = kind, group, known, register
        self.problems: list[str] = []  # why installed plugins cannot be used
        self._classes: dict[str, type] = {}
        self._plugins: dict[str, Plugin] = {}
        self._ambiguous: set[str] = set()
        self._searched = False
        _doors.append(self)

    def add(self, name: str, cls: type, value: Any = None) -> None:
        """Register a class, or what is known of it. Raises PluginError if the name is taken.

        The same class again, such as that of a notebook's cell that runs twice, replaces the first one.
        """
        there, owner = self._classes.get(name) if name in self.known else None, self._plugins.get(name)
        if there is cls:
            return
        home = cls.__module__
        if name in self._ambiguous:
            raise Clash(f"several plugins have the {self.kind} `{name}`", name)
        plugin = None if home.startswith(_OWN) else _loading[-1] if _loading else Plugin(home.partition(".")[0])
        taken = name in (self._classes if plugin is None else self.known)  # `known` may have our own before its class
        if taken and not (owner is not None and _is_same(there, cls)):
            if owner is None:
                raise PluginError(f"the {self.kind} `{name}` is built into archspec: choose another name")
            raise Clash(f"the {self.kind} `{name}` is also in the plugin {owner}: remove one of the two", name)
        self.known[name] = cls if value is None else value
        self._classes[name] = cls
        if plugin is not None:
            self._plugins[name] = plugin

    def plugin(self, name: str) -> Plugin | None:
        """The plugin that registered this name; None for what is built in."""
        return self._plugins.get(name) if name in self.known else None

    def discover(self) -> bool:
        """Load the entry points of installed packages, once. Returns whether there are new names or problems."""
        if self._searched:
            return False
        self._searched = True
        from importlib.metadata import entry_points  # takes time, and few specs need it

        before = set(self.known)
        for entry in sorted(entry_points(group=self.group), key=lambda e: (e.dist.name if e.dist else "", e.name)):
            plugin = Plugin(entry.dist.name, entry.dist.version) if entry.dist else Plugin(entry.module)
            self._load(entry, plugin)
        return set(self.known) != before or bool(self.problems)

    def _load(self, entry: EntryPoint, plugin: Plugin) -> None:
        try:
            with _loaded_for(plugin):
                found = entry.load()
                if not isinstance(found, ModuleType):  # a module registers its parts by decorators
                    self.register(found)
        except (Exception, SystemExit) as problem:  # noqa: BLE001 - any code can run here
            self.problems.append(f"the plugin {plugin} cannot be used: its entry point `{entry.name} = {entry.value}` "
                                 f"{_reason(problem, entry.module)}")
            if isinstance(problem, Clash):
                self._withdraw(problem.name)

    def _withdraw(self, name: str) -> None:
        """Remove a name that two installed plugins have: nobody knows which one a spec means."""
        owner = self._plugins.get(name)
        if owner is not None and owner.version is not None:
            del self.known[name]
            self._ambiguous.add(name)


_doors: Final[list[Door]] = []
_loading: Final[list[Plugin]] = []  # the plugins that are being imported, one inside the other
_named: Final[dict[str, Plugin]] = {}  # by their argument


def load(argument: str) -> None:
    """Import a module, or a `.py` file, that the user names. Raises SpecError SPEC028 if it cannot be used."""
    if argument in _named:
        return
    path = Path(argument)
    is_file = path.suffix == ".py"
    name = path.stem if is_file else argument
    plugin = Plugin(name, argument=str(path.absolute()) if is_file else argument)
    fresh, before = name not in sys.modules, generation()
    try:
        with _loaded_for(plugin):
            _import_file(path) if is_file else _import(argument)
    except (Exception, SystemExit) as problem:
        raise _unusable(argument, f"it {_reason(problem, name)}", _hint(argument, problem)) from problem
    if fresh and generation() == before:
        raise _unusable(argument, "it registers no op, data set or loss",
                        "decorate a class with `@archspec.register_op`, `@archspec.register_dataset` or "
                        "`@archspec.register_loss`")
    _named[argument] = plugin


def named() -> list[str]:
    """The plugins that were named, for other processes: paths are absolute."""
    return [plugin.argument or plugin.name for plugin in _named.values()]


def named_options() -> list[str]:
    """The same as `--plugin` options."""
    return [f"--plugin={argument}" for argument in named()]


def culprit(exception: BaseException) -> Plugin | None:
    """The plugin whose code raised an exception; None if there is none."""
    packages = {cls.__module__.partition(".")[0]: door._plugins[name]
                for door in _doors for name, cls in door._classes.items() if name in door._plugins}
    trace, found = exception.__traceback__, None
    while trace is not None:
        found = packages.get(trace.tb_frame.f_globals.get("__name__", "").partition(".")[0], found)
        trace = trace.tb_next
    return found


def generation() -> int:
    """How much is registered: a key for caches."""
    return sum(len(door.known) for door in _doors)


def _is_same(one: Any, other: Any) -> bool:
    """Whether two classes are two runs of one definition."""
    return all(getattr(one, key, None) == getattr(other, key, key) for key in ("__module__", "__qualname__"))


@contextmanager
def _loaded_for(plugin: Plugin) -> Iterator[None]:
    """While a plugin is imported: what it registers is noted as its own, and what it prints goes to stderr."""
    _loading.append(plugin)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _loading.pop()


def _import(name: str) -> None:
    from importlib import import_module

    if not all(part.isidentifier() for part in name.split(".")):
        raise ImportError(f"{name!r} is not the name of a module")
    import_module(name)


def _import_file(path: Path) -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    name = path.stem
    there = getattr(sys.modules.get(name), "__file__", None)
    if name in sys.modules:
        if there is not None and Path(there).resolve() == path.resolve():
            return
        raise ImportError(f"another module `{name}` is loaded already: rename the file")
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("it is not a Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _reason(problem: BaseException, module: str) -> str:
    """Why a plugin cannot be loaded, after its name: `raises TypeError: …`."""
    if isinstance(problem, PluginError):
        return f"is refused: {problem}"
    if isinstance(problem, ModuleNotFoundError) and problem.name and f"{module}.".startswith(f"{problem.name}."):
        return f"names the module `{problem.name}`, which does not exist"
    where = _place(problem)
    if isinstance(problem, AttributeError) and where is None:
        return f"refers to nothing: {problem}"
    text = " ".join(str(problem).split())[:200]
    return f"raises {type(problem).__name__}: {text}" + (f" ({where})" if where else "")


def _place(problem: BaseException) -> str | None:
    """`my_ops.py, line 3`: where an import failed, outside archspec and Python's own import system."""
    trace, found = problem.__traceback__, None
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if not f"{name}.".startswith((_OWN, *_IMPORT)) and not trace.tb_frame.f_code.co_filename.startswith("<"):
            found = f"{Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _hint(argument: str, problem: BaseException) -> str | None:
    if isinstance(problem, ModuleNotFoundError) and problem.name == argument.partition(".")[0]:
        path = Path(f"{argument}.py")
        if path.is_file():
            return f"to load the file, write `--plugin {shell(f'./{path}')}`"
        return "install it, or write the path of a file: `--plugin ./my_ops.py`"
    return None


def _unusable(argument: str, reason: str, hint: str | None) -> SpecError:
    return error("SPEC028", f"the plugin `{argument}` cannot be loaded: {reason}", hint=hint)
