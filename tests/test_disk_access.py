"""Whatever reads, writes or removes files does it by the few helpers that follow no link and wait for no pipe."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "archspec"
# Methods and functions that touch the disk, and where they may be used: what they are given there is safe.
ALLOWED = {
    "read_text": {
        "backends/device.py", "backends/fits.py", "devices/calibration.py", "train/run_dir/full_disk.py",  # /proc and /sys
        "cli/shipped.py", "diagnostics/codes.py", "page/__init__.py", "devices/models.py", "ops/registry.py",  # files of the package itself
        "profile/memory.py",  # a file that was just written there
    },
    "read_bytes": {"train/peak_memory.py"},  # /proc
    "write_text": {  # the function of atomic_files.py is not a method
        "train/peak_memory.py",  # /proc
        "cli/output_file.py",  # a device or a pipe that the user named after `-o`
    },
    "write_bytes": {"sweep/cluster/host.py", "results/export/mlflow.py"},  # in a temporary folder that it has just made
    # Each removes links, not what they lead to: a whole run on the user's word; a folder of its own beside a run, of which
    # it has looked that it is none; temporary folders that it owns; a run that it exported before.
    "rmtree": {"results/remove.py", "sweep/cluster/archive.py", "sweep/cluster/host.py", "results/export/wandb.py"},
    "unlink": {"atomic_files.py", "train/run_dir/weights.py", "data/download.py", "results/index.py", "results/remove.py", "sweep/cluster/archive.py"},
    "rmdir": {"atomic_files.py"},
    "rename": {"atomic_files.py", "data/download.py", "sweep/cluster/archive.py"},
    "remove": set(),  # of os
}


def calls(tree):
    """Method and function names that are called with a dot, and how the file is opened where that is said."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            of_os = isinstance(owner, ast.Name) and owner.id == "os"
            yield node.func.attr, of_os, [a.value for a in node.args if isinstance(a, ast.Constant)]


def test_the_disk_is_touched_in_known_places_only():
    found = {name: set() for name in ALLOWED}
    for path in PACKAGE.rglob("*.py"):
        place = str(path.relative_to(PACKAGE))
        for name, of_os, _ in calls(ast.parse(path.read_text(encoding="utf-8"))):
            if name in found and (name != "remove" or of_os):
                found[name].add(place)
    assert {name: places - ALLOWED[name] for name, places in found.items() if places - ALLOWED[name]} == {}


def test_no_file_is_opened_to_be_overwritten():
    """`w` and `a` follow links; `x` does not."""
    writers = set()
    for path in PACKAGE.rglob("*.py"):
        for name, _, constants in calls(ast.parse(path.read_text(encoding="utf-8"))):
            if name == "open" and any(isinstance(c, str) and set(c) & set("wa") and len(c) < 4 for c in constants):
                writers.add(str(path.relative_to(PACKAGE)))
    assert writers == {"cli/processes.py", "sweep/cluster/connect.py", "train/api.py"}, "which open os.devnull"
