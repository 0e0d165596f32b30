"""The docs say what is so: their specs are valid, their links lead somewhere, the generated pages are up to date."""

import re
import runpy
from pathlib import Path

import pytest

import archspec
from archspec.cli import run
from archspec.results.compare import MEASURES
from archspec.sweep.expand import expand
from archspec.sweep.read import KEYS, sweep_text

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
GENERATED = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()


def blocks(page: Path, kind: str) -> list[str]:
    """Fenced blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", GENERATED)
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == GENERATED[name], "run python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


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
