"""The specs of the source notes against figures that were measured on hand-written PyTorch modules."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import archspec
from archspec.api import Loaded
from archspec.backends.torch import example_inputs

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden"
D2L = json.loads((GOLDEN / "d2l_reference.json").read_text(encoding="utf-8"))
SPECS = sorted((ROOT / "specs").rglob("*.yaml"))
LIBRARIES = sorted((ROOT / "archspec" / "stdlib").glob("*.yaml"))
with (GOLDEN / "experiments.csv").open(encoding="utf-8", newline="") as file:
    EXPERIMENTS = list(csv.DictReader(file))

NETWORKS = {"resnet18": "resnet18_96"}  # the source trains it at that size
# Where the reference goes on layer by layer, instead of by stage.
UNFOLDED = {
    "lenet": {"conv1", "conv2", "head"},
    "alexnet": {"conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"},
    "vgg11": {"head"},
    "vgg_small": {"head"},
}


def by_name(paths: list[Path]) -> object:
    return pytest.mark.parametrize("path", paths, ids=lambda p: p.relative_to(ROOT).with_suffix("").as_posix())


def reference_outputs(report: archspec.Report, unfolded: set[str]) -> list[list[int]]:
    """The output shapes that the reference lists: of stages, and of the layers of unfolded ones."""
    shapes = []
    for stage, shape in report.shapes.items():
        if stage in unfolded:
            shapes += [list(layer.output_shape) for layer in report.layers() if layer.path.split(".")[0] == stage]
        else:
            shapes.append(list(shape))
    return shapes


@by_name(SPECS)
def test_a_spec_is_valid_and_meets_its_expect(path: Path) -> None:
    assert archspec.check(path) == ()
    assert {"output", "params", "macs"} <= set(archspec.load(path).data["expect"])


@pytest.mark.parametrize("name", D2L)
def test_equals_the_hand_written_network(name: str) -> None:
    expected = D2L[name]
    spec = {"resnet18_224": "resnet18"}.get(name, name)
    report = archspec.analyze(ROOT / "specs" / f"{spec}.yaml")
    assert list(report.input_shape) == expected["input"]
    assert report.params == expected["params"]
    assert report.buffers == expected["buffers"]
    assert report.macs == expected["macs"]
    assert report.activation_bytes // 4 == expected["sum_output_elements_all_ops"]
    assert reference_outputs(report, UNFOLDED.get(name, set())) == [shape for _, _, shape in expected["shapes"]]


@by_name(SPECS)
def test_static_figures_equal_the_built_module(path: Path) -> None:
    loaded = archspec.load(path)
    report, shapes = loaded.report, {}
    with torch.device("meta"), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        model = archspec.build(loaded)
        for stage in report.shapes:
            model.get_submodule(stage).register_forward_hook(
                lambda _, inputs, output, stage=stage: shapes.update({stage: tuple(output.shape[1:])})
            )
        for training, macs in ((True, report.training_macs), (False, report.macs)):
            with FlopCounterMode(display=False) as flops:
                model.train(training)(*example_inputs(loaded.graph, 2, "meta"))
            assert flops.get_total_flops() // 4 == macs
    assert shapes == report.shapes
    assert sum(p.numel() for p in model.parameters()) == report.params
    assert sum(b.numel() for b in model.buffers()) == report.buffers


@cache
def trained(network: str) -> Loaded:
    return archspec.load(ROOT / "specs" / f"{NETWORKS.get(network, network)}.yaml")


@pytest.mark.parametrize("row", EXPERIMENTS, ids=lambda row: row["id"])
def test_every_run_of_the_sources_is_a_recipe_under_its_id(row: dict[str, str]) -> None:
    loaded = trained(row["network"])
    recipe = loaded.recipe(row["id"])
    assert (recipe.optimizer, recipe.lr, recipe.epochs, recipe.batch_size) == (
        row["optimizer"], float(row["lr"]), int(row["epochs"]), int(row["batch_size"])
    )
    assert (recipe.schedule.kind, recipe.init.weights, recipe.data) == ("constant", "xavier_uniform", "fashion-mnist")
    assert loaded.report.input_shape == (1, int(row["resize"]), int(row["resize"]))


def test_no_spec_offers_a_run_of_another_network() -> None:
    """Neither by inheritance nor by mistake; nor one that the sources do not have, but for a recipe that a search found."""
    runs = {(NETWORKS.get(row["network"], row["network"]), row["id"]) for row in EXPERIMENTS}
    for path in SPECS:
        offered = {(path.stem, name) for name in archspec.load(path).recipes if name not in ("train", "tuned")}
        assert offered <= runs, offered - runs


def test_a_spec_without_recipes_says_so() -> None:
    with pytest.raises(archspec.SpecError, match="resnet34 has no recipe `first-try`") as caught:
        archspec.load("resnet34").recipe("first-try")
    assert caught.value.diagnostics[0].hint == "it has none: leave the name out to use `train`"


RESIDUAL = """
archspec: 1
input: [3, 6, 6]
stages:
  block: {{residual: {arguments}}}
"""


@pytest.mark.parametrize(("arguments", "shape"), [("3", (3, 6, 6)), ("[6, 2]", (6, 3, 3))])
def test_residual_block(arguments: str, shape: tuple[int, ...]) -> None:
    text = RESIDUAL.format(arguments=arguments)
    assert archspec.analyze(text).output_shape == shape
    assert archspec.build(text)(torch.zeros(4, 3, 6, 6)).shape == (4, *shape)


@by_name([*SPECS, *LIBRARIES])
def test_modeline_names_the_schema(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    prefix = "# yaml-language-server: $schema="
    assert first.startswith(prefix)
    assert (path.parent / first.removeprefix(prefix)).resolve() == ROOT / "docs" / "archspec.schema.json"


def test_vgg_small_is_a_variant_of_four_lines() -> None:
    """And the source's runs of it."""
    text, _, _ = (ROOT / "specs" / "vgg_small.yaml").read_text(encoding="utf-8").partition("recipes:")
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == 4


@pytest.mark.parametrize(
    "options", [{"sets": ["vars.num_classes=100"]}, {"input": (3, 32, 32)}], ids=["another var", "another input"]
)
def test_an_override_makes_another_network_that_expect_does_not_speak_of(options: dict[str, object]) -> None:
    loaded = archspec.load("lenet", **options)
    assert "expect" not in loaded.data
    assert loaded.report.params != 61706


def test_an_override_of_the_recipe_leaves_expect_alone() -> None:
    assert "expect" in archspec.load("lenet", sets=["train.lr=0.1"]).data


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_a_run_of_another_shipped_spec_is_found_there(name: str) -> None:
    with pytest.raises(archspec.SpecError) as caught:
        archspec.load(name).recipe("resnet-02")
    assert caught.value.diagnostics[0].hint == "the shipped spec `resnet18_96` has it"
    archspec.load("resnet18_96").recipe("resnet-02")
