"""The docs say what is so: their specs are valid, their links lead somewhere, the generated pages are up to date."""

import re
import runpy
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec.cli import run
from archspec.ir import sites
from archspec.results.compare import MEASURES
from archspec.sweep.expand import expand
from archspec.sweep.read import KEYS, sweep_text
from archspec.train.summary import EpochResult
from tests.cli.conftest import Cli, cli  # noqa: F401 (a fixture)

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
GENERATED = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()


def blocks(page: Path, kind: str) -> list[str]:
    """Fenced blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", GENERATED)
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == GENERATED[name], "run python docs/generate.py"


SAMPLES = [
    pytest.param(shown, id=f"{page.name}: {shown[0]}")
    for page in PAGES for shown in map(str.splitlines, blocks(page, "console"))
    if re.match(r"\$ archspec (fit |diff |profile .*--static\b)", shown[0]) and not any(line.startswith("$ ") for line in shown[1:])
]


@pytest.mark.parametrize("sample", SAMPLES)
def test_samples_of_static_commands_are_what_they_print(sample: list[str], cli: Cli) -> None:  # noqa: F811
    command, *shown = sample
    printed = {line.rstrip() for line in cli(*shlex.split(command)[2:]).out.splitlines()}
    assert [line for line in shown if line.rstrip() not in {*printed, "…"}] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


PACKAGE = ROOT / "archspec"
WRITTEN = [page for page in PAGES if page.name not in {*GENERATED, "CHANGELOG.md"}]
OURS = {"architecture.md", "CONTRIBUTING.md"}  # all their paths are of this repository; other pages also name files of users
FOLDERS = ("archspec/", "benchmarks/", "docs/", "tests/")
PATH = r"(?<![\w./$-])((?:[\w.*-]+/)*[\w.*-]+\.(?:py|js)|(?:[\w.-]+/)+(?:\*\.\w+|[\w.-]+\.\w+)?)(?![\w/])(?:: (\w+))?"


def named_paths(page: Path) -> list[tuple[str, str]]:
    """The paths of this repository that a page names, each with the name in that file that follows it, or an empty one."""
    codes = re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))
    found = {match for code in codes for match in re.findall(PATH, code)}
    return sorted((path, name) for path, name in found if page.name in OURS or path.startswith(FOLDERS))


def files_of(path: str) -> list[Path]:
    """What a path may mean: from the root, from docs/ or archspec/, or a part of the package."""
    tops = (ROOT, ROOT / "docs", PACKAGE)
    return [file for top in tops for file in top.glob(path)] or list(PACKAGE.rglob(path))


@pytest.mark.parametrize("page", WRITTEN, ids=lambda p: p.name)
def test_paths_in_the_docs_exist(page: Path) -> None:
    for path, name in named_paths(page):
        if path == "archspec/analysis/dot.py":
            continue  # the example of CONTRIBUTING, see below
        files = files_of(path)
        assert files, f"{page.name} names {path}"
        assert not name or any(re.search(rf"\b{name}\b", file.read_text(encoding="utf-8")) for file in files), (path, name)
    assert page.name not in OURS or len(named_paths(page)) > 20


def test_architecture_names_each_part() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    parts = [part for top in (PACKAGE, PACKAGE / "train") for part in top.iterdir() if part.suffix in ("", ".py")]
    names = [f"{part.name}/" if part.is_dir() else part.name for part in parts if not part.name.startswith("__")]
    assert len(names) > 40 and [name for name in names if name not in page] == []


def test_names_of_modules_in_architecture_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    found = re.findall(r"`(\w+)\.(\w+)(?:\(.*?\))?`", page)
    others = {"py", "Module", "Sequential"}  # the ending of a file, and torch's nn
    named = [(PACKAGE / f"{module}.py", name) for module, name in found if (PACKAGE / f"{module}.py").exists() and name not in others]
    assert named and [name for file, name in named if not re.search(rf"\b{name}\b", file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("thing", ["an op", "a diagnostic", "a callback", "a command"])
def test_contributing_says_at_its_top_where_things_go(thing: str) -> None:
    screen = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n")[:16]
    (row,) = [line for line in screen if line.startswith(f"| {thing} |")]
    assert re.search(r"`archspec/[\w/.]+`", row) and f"[Add {thing}](#add-{thing.replace(' ', '-')})" in row


@pytest.mark.parametrize("spec", ["lenet_relu", "resnet18", "googlenet"])
def test_the_export_that_contributing_shows(spec: str) -> None:
    (text,) = [text for text in blocks(ROOT / "CONTRIBUTING.md", "python") if "def to_dot" in text]
    names: dict[str, Any] = {}
    exec(text, names)
    graph = archspec.load(spec).graph
    dot = names["to_dot"](graph)
    ops = {layer.path: layer.op for layer in archspec.analyze(spec).layers()}
    assert dict(re.findall(r'^  "(.+)" \[label="(\w+)"\]$', dot, re.MULTILINE)) == ops
    edges = re.findall(r'^  "(.+)" -> "(.+)"$', dot, re.MULTILINE)
    assert len(edges) == sum(len(site.inputs) for site in sites(graph))
    (last,) = {*ops} - {source for source, _ in edges}  # only the network's output is used by no op
    assert last == [*ops][-1] and {source for source, _ in edges} - {*ops} == {"input"}


def whole_specs() -> list[object]:
    """Every YAML block of the hand-written pages that is a whole spec of its own."""
    found = []
    for page in PAGES:
        if page.name in GENERATED:
            continue
        texts = [t for t in blocks(page, "yaml") if "archspec: 1" in t and "stages:" in t]
        found += [pytest.param(text, id=f"{page.name}-{k}") for k, text in enumerate(texts)]
    return found


@pytest.mark.parametrize("text", whole_specs())
def test_specs_in_the_docs_are_valid(text: str) -> None:
    assert archspec.check(text) == ()


def sweeps() -> list[str]:
    return [text for page in PAGES if page.name not in GENERATED for text in blocks(page, "yaml") if "archspec-sweep: 1" in text]


@pytest.mark.parametrize("text", sweeps())
def test_sweeps_in_the_docs_are_valid(text: str) -> None:
    assert expand(sweep_text(text), "sweep.yaml").invalid == ()


def test_every_key_of_a_sweep_and_every_figure_is_in_the_docs() -> None:
    assert sweeps()
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    rows = "".join(re.findall(r"^\| (`.+?) \|", page, re.MULTILINE))
    assert [key for key in KEYS if f"`{key}`" not in rows] == []
    assert [name for name in MEASURES if f"`{name}`" not in page] == []


def test_every_field_of_an_epochs_result_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert [field.name for field in fields(EpochResult) if f"`{field.name}`" not in page] == []


def test_readme_names_every_network_of_the_zoo() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    words = re.sub(r"\W", "", readme.partition("`specs/zoo/` contains")[2].partition("\n\n")[0]).lower()
    short = {"mobilenet_v3_small": "v3", "r3d_18": "3dresnet", "textcnn": "textcnn"}
    names = [path.stem for path in (ROOT / "specs" / "zoo").glob("*.yaml")]
    assert len(names) > 20 and [n for n in names if short.get(n, re.match(r"[a-z]+", n)[0]) not in words] == []


def test_no_page_has_conflict_markers() -> None:
    marked = re.compile(r"^(<{7} |>{7} |={7}$)", re.MULTILINE)
    assert [page.name for page in PAGES if marked.search(page.read_text(encoding="utf-8"))] == []


def test_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("train", "test"):
        (command,) = re.findall(rf"<!-- command: {name} -->\n```bash\n(.+)\n```", readme)
        assert command.startswith("python3 -m venv .venv && "), "one line, from nothing to the result"


def test_what_validate_prints_is_in_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    spec = re.findall(r"```yaml\n(archspec: 1\nname: mynet\n.+?)```", readme, re.DOTALL)[0]
    wrong = spec.replace("max_pool2d: 2]", "max_pool2d: 31]").replace("dropout:", "droput:")
    wrong = re.sub(r"skip: \[\]\} +#.*", "skip: [conv: $width]}", wrong)
    assert shown(wrong, "wrong.yaml", tmp_path, monkeypatch, capsys) in readme


def test_the_example_of_the_page_on_validate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "validate.md").read_text(encoding="utf-8")
    spec = """\
archspec: 1
input: [3, 28, 28]
stages:
  body:
    - conv2d: {out_channels: 8, kernel_size: 1}
    - conv2d: {out_channels: 9, kernel_size: 1, groups: 3}
"""
    assert shown(spec, "net.yaml", tmp_path, monkeypatch, capsys).partition("\n\n")[0] in page


def shown(spec: str, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What `archspec validate` prints of a spec, both streams together."""
    monkeypatch.chdir(folder)
    (folder / name).write_text(spec, encoding="utf-8")
    run(["validate", name])
    printed = capsys.readouterr()
    return printed.err + printed.out
