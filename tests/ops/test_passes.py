"""No pass names an op: it asks the op's traits and parameters. So an op is added in one file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import archspec
from archspec.ops import OPS

ROOT = Path(archspec.__file__).parent
OPEN = {"base", "fields", "parameters", "placed", "reach", "traits", "windows"}  # of archspec.ops: what is not about certain ops
ALLOWED = {
    "backends/gemm_conv.py": {"nn.Conv2d"},  # a kernel is a subclass of the torch layer whose place it takes
    "backends/sliced_pool.py": {"nn.AvgPool2d"},
    "backends/init.py": {"relu"},  # torch's name of the gain of He et al. 2015
    "language/synonyms.py": {"softmax"},  # what people call a loss
    "train/own/task.py": {f"nn.BatchNorm{rank}d" for rank in (1, 2, 3)},  # of modules that archspec has not built
    "train/checkpoint/digest_0_1.py": set(OPS),  # which fields archspec 0.1 hashed: history, which stays as it is
    "train/doctor/stuck.py": {"dropout"},  # the name of a figure
}
ORDINARY = {"abs", "max", "mean", "pad", "parameter", "roll", "scale", "slice"}  # words that code uses for other things too
MODULES = ("nn.py", "attention.py", "merges.py")  # the torch modules that torch.nn lacks
REWRITES = "ir/rewrites/"  # each is a rule of algebra on certain ops, which it matches and writes
EXECUTION = {"execute", "autograd", "recorder", "setting", "tape", "tensor"}  # the others are torch's functions, named as there
# They know torch's kernels by name, as the tape of an execution has them.
KERNELS = {
    "calibrate/host.py", "calibrate/passes.py", "calibrate/factor.py", "devices/calibration.py", "devices/gpu.py",
    "devices/models.py", "devices/work.py",
}
SOURCES = sorted(
    name for name in (str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py"))
    if name not in KERNELS and not name.startswith(("ops/", *MODULES, REWRITES)) and (not name.startswith("execution/") or Path(name).stem in EXECUTION)
)


def trees(folder: Path) -> Iterator[ast.AST]:
    for path in folder.rglob("*.py"):
        yield ast.parse(path.read_text(encoding="utf-8"))


def layers() -> set[str]:
    """The torch classes that ops build: those that their sources name, and those of archspec.nn."""
    named = {n.attr for tree in trees(ROOT / "ops") for n in ast.walk(tree) if isinstance(n, ast.Attribute) and is_nn(n.value)}
    torch_names = {op.torch_name for op in OPS.values() if hasattr(op, "torch_name")}
    files = [ast.parse((ROOT / name).read_text(encoding="utf-8")) for name in MODULES]
    own = {n.name for tree in files for n in ast.walk(tree) if isinstance(n, ast.ClassDef)}
    return (named | torch_names | own) - {"Module", "Sequential", "Parameter"}


def is_nn(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "nn"


LAYERS = layers()
FILES = {path.stem for path in (ROOT / "ops").iterdir()} - OPEN
CLASSES = {op.__name__ for op in OPS.values()}


def docstrings(tree: ast.AST) -> set[int]:
    bodies = [n.body for n in ast.walk(tree) if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))]
    return {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}


def mentions(source: str) -> list[str]:
    """Names of ops as strings (alone, or as a list of words), torch layers, and modules or classes of single ops."""
    tree, found = ast.parse(source), []
    prose = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            words = node.value.split()
            if words and set(words) <= set(OPS) - ORDINARY and node.value.strip() == node.value:
                found.append(node.value)
        elif isinstance(node, ast.Attribute) and (is_nn(node.value) or "nn.modules" in ast.unparse(node.value)):
            if node.attr in LAYERS or (node.attr[0] == "_" and node.attr[1:2].isupper()):
                found.append(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            package, _, module = (node.module or "").rpartition(".")
            if (package == "archspec.ops" and module not in OPEN) or (node.module == "archspec.ops" and names & (FILES | CLASSES)) or (
                node.module in ("archspec.nn", "archspec.attention", "archspec.merges", "torch.nn") and names & LAYERS
            ):
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("folder", sorted({path.split("/")[0] for path in SOURCES}))
def test_a_pass_names_no_op(folder: str) -> None:
    for name in [path for path in SOURCES if path.split("/")[0] == folder]:
        found = set(mentions((ROOT / name).read_text(encoding="utf-8")))
        wrong, left = found - ALLOWED.get(name, set()), not found and name in ALLOWED
        assert not wrong, f"{name} knows an op by its name: let the op say it with a trait (archspec/ops/traits.py): {wrong}"
        assert not left, f"{name} needs no exception any more"


@pytest.mark.parametrize("source", [
    'if node.op.op == "conv2d": pass', 'NORMS = {"batch_norm2d"}', 'NAMES = "relu tanh".split()', "x = nn.Conv2d",
    "isinstance(m, nn.modules.dropout._DropoutNd)", "from archspec.ops.conv import Conv2d", "from archspec.nn import Add",
    "from archspec.ops import activation", "from archspec.ops import Conv2d", "from torch.nn import Linear", "isinstance(m, nn.ReLU)", "nn.LayerNorm",
])
def test_the_check_sees(source: str) -> None:
    assert mentions(source)


@pytest.mark.parametrize("source", [
    '"""relu"""', 'hint = "add a layer such as `linear`"', "from archspec.ops import OPS", "x: nn.Module = nn.Sequential()",
    "from archspec.ops.traits import Elementwise", "from torch.nn import functional as F", 'text = "add " + name',
])
def test_the_check_lets_pass(source: str) -> None:
    assert not mentions(source)
