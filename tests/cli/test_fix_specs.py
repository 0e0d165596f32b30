"""Mistakes planted into shipped specs: `--fix` gives back the same network."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archspec.api import examine
from archspec.cli import run

from .conftest import ROOT

NAMES = (
    "lenet", "lenet_relu", "alexnet", "nin", "vgg11", "resnet18", "mobilenet_v2", "unet", "googlenet", "googlenet_aux", "siamese", "convnext_tiny",
    "shufflenet_v2_x1_0", "regnet_y_400mf", "densenet121", "vit_b_16",
)
SPECS = [path for name in NAMES for path in sorted((ROOT / "specs").rglob(f"{name}.yaml"))]
Plant = Callable[[re.Match[str]], str]


def swapped(word: str) -> str:
    """The word with two neighbours changed over, as fingers do it."""
    k = next(k for k in range(1, len(word) - 1) if word[k] != word[k + 1])
    return word[:k] + word[k + 1] + word[k] + word[k + 2 :]


def in_quotes(match: re.Match[str]) -> str:
    """The number as a text, except a param's default: no call may need it, and then it is no mistake."""
    line = match.string[match.string.rfind("\n", 0, match.start()) : match.start()]
    return match[0] if "params:" in line else f'"{match[0]}"'


def definition_swapped(match: re.Match[str]) -> str:
    """The first definition in `channels: int, stride: 1` whose name is long enough, misspelt; two places refer to it."""
    names = re.findall(r"(?<![$\w])([a-z_]{4,}|[a-z]+_[0-9]+)(?=: )", match[0])
    name = next((name for name in names if len(re.findall(rf"\b{name}\b", match.string)) > 2), None)
    return match[0] if name is None else re.sub(rf"(?<![$\w]){name}(?=: )", swapped(name), match[0], count=1)


MISTAKES: dict[str, tuple[str, Plant]] = {  # what to look for, and what to write instead
    "op": (r"(?:(?<=[\[{])|(?<=, )|(?<=- ))(conv2d|max_pool2d|batch_norm2d|flatten|global_avg_pool2d|dropout)(?=[:,\]])", lambda m: swapped(m[0])),
    "op-of-another-library": (r"(?:(?<=[\[{])|(?<=, )|(?<=- ))(batch_norm2d)(?=[:,\]])", lambda _: "batchnorm"),
    "field": (r"(?<=[{ ])(out_channels|kernel_size|padding|stride)(?=:)", lambda m: swapped(m[0])),
    "field-of-another-library": (r"(?<=[{ ])out_channels(?=:)", lambda _: "filters"),
    "section": (r"(?m)^(stages|expect|blocks|train)(?=:)", lambda m: swapped(m[0])),
    "quotes": (r"(?<=[a-z]: )[0-9]+(?=[,}])", in_quotes),
    "float": (r"(?<=kernel_size: )[0-9]+(?=[,}])", lambda m: f"{m[0]}.0"),
    "truth": (r"(?<=bias: )false", lambda _: "no"),
    "dollar": (r"(?<=: )\$(?=(channels|width|stride|kernel|expanded)\b)", lambda _: ""),
    "inferred-field": (r"\{out_channels: (?=[0-9]+, kernel_size)", lambda _: "{in_channels: 3, out_channels: "),
    "no-space": (r"(?<=kernel_size): (?=[0-9])", lambda _: ":"),
    "optimizer": (r"(?<=optimizer: )(sgd|adamw)", lambda m: m[0] + "d"),
    "param": (r"(?<=params: \{)[a-z_]+: .*(?=\})", definition_swapped),
    "var": (r"(?<=vars: \{)[a-z_]+: .*(?=\})", definition_swapped),
    "block": (r"(?m)(?<=^  )\w{4,}: *(?=(#.*)?\n    (params|body):)", definition_swapped),
    "stage": (r"(?m)(?<=^  )(tower|twin|aux1|inception4a|inception4bcd|enc[1-4]):(?= )", lambda m: swapped(m[0])),
    "recipe-field": (r"(?<=[{ ])(batch_size|weight_decay|momentum|epochs)(?=:)", lambda m: swapped(m[0])),
}


@cache
def network(path: Path) -> dict[str, Any]:
    """The whole spec as it is shipped."""
    loaded = examine(path).loaded
    assert loaded is not None
    return dict(loaded.data)


@st.composite
def planted(draw: st.DrawFn) -> tuple[Path, str, list[str]]:
    """A spec, its text with up to three mistakes on different lines, and which they are."""
    path = draw(st.sampled_from(SPECS))
    text = path.read_text(encoding="utf-8")
    messages, lines = [], set()
    kinds = draw(st.lists(st.sampled_from(sorted(MISTAKES)), min_size=1, max_size=3, unique=True))
    if {"param", "var"} & {*kinds}:  # of a name whose only use lacks its `$` nobody knows which spelling is meant
        kinds = [kind for kind in kinds if kind != "dollar"]
    for kind in kinds:
        pattern, plant = MISTAKES[kind]
        found = [m for m in re.finditer(pattern, text) if text.count("\n", 0, m.start()) not in lines and not _in_comment(text, m)]
        if found:
            match = draw(st.sampled_from(found))
            lines.add(text.count("\n", 0, match.start()))
            text = text[: match.start()] + plant(match) + text[match.end() :]
            messages.append(f"{kind} for {match[0]!r}")
    return path, text, messages


def _in_comment(text: str, match: re.Match[str]) -> bool:
    line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    return "#" in line or line.startswith(("description:", "name:"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(planted())
def test_fixing_gives_back_the_shipped_network(tmp_path: Path, capsys: pytest.CaptureFixture[str], case: tuple[Path, str, list[str]]) -> None:
    path, text, mistakes = case
    spec = tmp_path / path.name
    spec.write_text(text, encoding="utf-8")
    code = run(["validate", str(spec), "--include", str(path.parent), "--fix"])
    errors = capsys.readouterr().err
    assert code == 0, f"{mistakes}\n{errors}"
    loaded = examine(spec, includes=[path.parent]).loaded
    assert loaded is not None
    assert dict(loaded.data) == network(path), mistakes
    if not mistakes:
        assert spec.read_text(encoding="utf-8") == text


def test_the_specs_are_there() -> None:
    assert len(SPECS) >= 6
