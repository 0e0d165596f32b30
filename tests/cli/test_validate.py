"""`archspec validate`: which files, what is told, exit codes, JSON."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from archspec.cli.collect import collect

from .conftest import BAD, GOOD, ROOT, Cli, archspec

LIBRARY = "archspec: 1\nblocks:\n  wide: {params: {n: int}, body: [linear: $n, relu]}\n"
USER = "archspec: 1\ninput: [1, 8, 8]\nuse: lib.yaml\nstages: {head: [flatten, wide: 10]}\n"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_a_valid_spec(cli: Cli, folder: Path) -> None:
    done = cli("validate", "good.yaml")
    assert (done.code, done.out, done.err) == (0, "1 spec valid\n", "")


def test_all_errors_of_all_files_in_one_run(cli: Cli, folder: Path) -> None:
    write(folder, worse=BAD.replace("kernel_size: 3", "kernel_size: 0"))
    done = cli("validate", "bad.yaml", "good.yaml", "worse.yaml")
    assert (done.code, done.out) == (
        1, "3 errors in 2 of 3 specs\navailable: 1 fix with `--fix --unsafe-fixes`\n")
    places = [line.strip() for line in done.err.splitlines() if "-->" in line]
    assert places == ["--> bad.yaml:5:27", "--> worse.yaml:4:49", "--> worse.yaml:5:27"]


def test_a_shipped_spec_by_its_bare_name(cli: Cli, folder: Path) -> None:
    assert cli("validate", "lenet", "resnet50").out == "2 specs valid\n"


def test_a_file_that_is_not_there(cli: Cli, folder: Path) -> None:
    done = cli("validate", "missing.yaml")
    assert (done.code, done.out) == (1, "1 error in 1 of 1 spec\n")
    assert done.err.startswith("error[SPEC001]: ")
    assert "missing.yaml" in done.err


def test_a_folder_is_searched_for_specs(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, a=GOOD, sub__b=GOOD, sub__deeper__c=GOOD, compose="services: {web: {image: x}}\n", lib=LIBRARY)
    write(tmp_path, **{".hidden__d": BAD, "sub__.e": BAD})
    (tmp_path / "notes.txt").write_text(BAD, encoding="utf-8")
    (tmp_path / "f.yml").write_text(GOOD, encoding="utf-8")
    done = cli("validate", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out == "4 specs and 1 block library valid (skipped: 1 YAML file without `archspec:`)\n"
    (tmp_path / "sub/b.yaml").write_text(BAD, encoding="utf-8")
    done = cli("validate", tmp_path)
    assert (done.code, done.out.partition(" (")[0]) == (1, "1 error in 1 of 4 specs")


def test_a_library_is_checked_by_name_and_by_folder(cli: Cli, folder: Path) -> None:
    write(folder, lib__good=LIBRARY, lib__bad="archspec: 1\nblocks:\n  a: {params: {n: int}, body: [rleu, linear: any]}\n")
    assert cli("validate", "lib/good.yaml").out == "1 block library valid\n"
    by_name, by_folder = cli("validate", "lib/bad.yaml"), cli("validate", "lib")
    assert (by_name.code, by_name.out) == (1, "2 errors in 1 of 1 block library\navailable: 1 fix with `--fix`\n")
    assert (by_folder.code, by_folder.out) == (1, "2 errors in 1 of 2 block libraries\navailable: 1 fix with `--fix`\n")
    assert by_name.err == by_folder.err
    assert [line.strip() for line in by_name.err.splitlines() if "-->" in line] == [
        "--> lib/bad.yaml:3:32", "--> lib/bad.yaml:3:46",
    ]


def test_a_misspelt_version_is_reported(cli: Cli, folder: Path) -> None:
    write(folder, typo=GOOD.replace("archspec:", "archpsec:"))
    done = cli("validate", ".")
    assert (done.code, done.out) == (1, "2 errors in 2 of 3 specs\navailable: 1 fix with `--fix`\n")
    assert "unknown key `archpsec`" in done.err
    assert "a similar name exists: `archspec`" in done.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_a_folder_does_not_hang(folder: Path) -> None:
    os.mkfifo(folder / "x.yaml")
    done = archspec("validate", ".", cwd=folder)  # with a time limit of its own
    assert done.returncode == 1
    assert "error[SPEC001]: x.yaml is a pipe, not a regular file" in done.stderr


def test_a_file_that_is_named_is_checked_whatever_it_holds(cli: Cli, folder: Path) -> None:
    write(folder, compose="services: {web: {image: x}}\n")
    done = cli("validate", "compose.yaml")
    assert done.code == 1
    assert "`services`" in done.err


def test_a_folder_without_specs_is_a_wrong_command_line(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, compose="services: {}\n")
    done = cli("validate", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "no spec found" in done.err


def test_the_shipped_specs_are_valid(cli: Cli) -> None:
    done = cli("validate", ROOT / "specs")
    count = len(list((ROOT / "specs").rglob("*.yaml")))
    assert (done.code, done.out) == (0, f"{count} specs valid, 1 warning\n")
    assert done.err.startswith("warning[SPEC062]") and done.err.count("warning[") == 1  # 1,000 classes, as in the paper
    assert "zoo/googlenet_aux.yaml" in done.err


def test_a_mistake_in_a_shared_library_is_told_once(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, lib=LIBRARY.replace("relu]", "[relu]]"), a=USER, b=USER)
    done = cli("validate", tmp_path)
    assert done.code == 1
    assert done.out.startswith("1 error in 2 of 2 specs")
    assert done.err.count("error[") == 1


def test_set_changes_a_var(cli: Cli, folder: Path) -> None:
    write(folder, vars=GOOD.replace("stages:", "vars: {n: 10}\nstages:").replace("linear: 10", "linear: $n"))
    assert cli("validate", "vars.yaml", "--set", "vars.n=12").code == 0
    done = cli("validate", "vars.yaml", "--set", "vars.n=0")
    assert done.code == 1
    assert "got 0" in done.err


def test_include_lets_a_spec_read_elsewhere(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, lib=LIBRARY, inner__user=USER.replace("lib.yaml", "../lib.yaml"))
    user = tmp_path / "inner/user.yaml"
    assert "SPEC050" in cli("validate", user).err
    assert cli("validate", user, "--include", tmp_path).out == "1 spec valid\n"


@pytest.mark.parametrize(
    ("option", "limit", "enough", "code"),
    [
        pytest.param("--max-ops", 13, 14, "SPEC051", id="ops"),
        pytest.param("--max-lowered", 2, 12, "SPEC051", id="lowered"),
        pytest.param("--max-nesting", 1, 2, "SPEC051", id="nesting"),
        pytest.param("--max-bytes", 199, 200, "SPEC003", id="bytes"),
        pytest.param("--max-depth", 4, 5, "SPEC003", id="depth"),
        pytest.param("--max-events", 63, 64, "SPEC003", id="events"),
    ],
)
def test_limits_are_set_on_the_command_line(
    cli: Cli, tmp_path: Path, option: str, limit: int, enough: int, code: str
) -> None:
    text = (
        "archspec: 1\ninput: [1, 8, 8]\nblocks:\n  inner: {params: {n: int}, body: [linear: $n, relu]}\n"
        "  outer: {params: {n: int}, body: [flatten, inner: $n]}\nstages: {a: {outer: 8}, b: {relu: , repeat: 11}}\n"
    )
    write(tmp_path, large=text.ljust(199, "#") + "\n")
    below, above = (cli("validate", tmp_path / "large.yaml", option, value) for value in (limit, enough))
    assert (below.code, above.code) == (1, 0), above.err
    assert f"error[{code}]" in below.err


def test_json(cli: Cli, folder: Path) -> None:
    write(folder, sub__lib=LIBRARY, compose="services: {}\n")
    done = cli("validate", "--json", ".")
    assert (done.code, done.err) == (1, "")
    data = json.loads(done.out)
    assert data["format"] == 1
    assert data["skipped"] == ["compose.yaml"]
    assert data["libraries"] == [{"path": "sub/lib.yaml", "valid": True, "diagnostics": [], "warnings": []}]
    bad, good = data["specs"]
    assert good == {"path": "good.yaml", "valid": True, "diagnostics": [], "warnings": []}
    assert (bad["path"], bad["valid"]) == ("bad.yaml", False)
    (diagnostic,) = bad["diagnostics"]
    assert diagnostic["code"] == "SPEC012"
    assert diagnostic["span"] == {"path": "bad.yaml", "line": 5, "column": 27, "length": 3}
    assert set(diagnostic) == {"code", "severity", "message", "span", "path", "related", "notes", "hint", "fix"}


def test_control_characters_of_a_file_do_not_reach_the_terminal(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "evil\x1b[2J.yaml"
    path.write_text(BAD.replace("conv:", '"co\\u009bnv":'), encoding="utf-8")
    done = cli("validate", path)
    assert done.code == 1
    assert done.err.replace("\n", "").isprintable()


# -- which files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "group"),
    [
        pytest.param(GOOD, "specs", id="plain"),
        pytest.param("# a comment\n\n'archspec': 1\n\"stages\": {}\n", "specs", id="quoted"),
        pytest.param("archspec: 1\nextends: a.yaml\n", "specs", id="variant"),
        pytest.param("# flow\n{archspec: 1, input: [1, 2, 2], stages: {a: relu}}", "specs", id="flow"),
        pytest.param("archspec: 1\nblocks: {a: relu}\n", "libraries", id="library"),
        pytest.param("x:\n  archspec: 1\n  stages: {}\n", "others", id="not-at-the-top"),
        pytest.param("archspecs: 1\nstages: {}\n", "specs", id="misspelt"),
        pytest.param("version: 1\nstages: {}\n", "others", id="another-key"),
        pytest.param("", "others", id="empty"),
    ],
)
def test_what_a_file_in_a_folder_is(tmp_path: Path, text: str, group: str) -> None:
    write(tmp_path, file=text)
    found = collect([str(tmp_path)])
    assert {g: len(getattr(found, g)) for g in ("specs", "libraries", "others")} == {
        "specs": 0, "libraries": 0, "others": 0, group: 1,
    }


def test_a_file_is_taken_once(tmp_path: Path) -> None:
    write(tmp_path, a=GOOD)
    file = str(tmp_path / "a.yaml")
    assert collect([file, str(tmp_path), file]).specs == [file]


def test_order_is_that_of_the_names(tmp_path: Path) -> None:
    write(tmp_path, b=GOOD, a=GOOD, sub__a=GOOD)
    assert [Path(p).relative_to(tmp_path).as_posix() for p in collect([str(tmp_path)]).specs] == [
        "a.yaml", "b.yaml", "sub/a.yaml",
    ]


def test_a_file_that_cannot_be_opened_is_left_to_the_check(tmp_path: Path) -> None:
    (tmp_path / "dangling.yaml").symlink_to(tmp_path / "nowhere")
    assert collect([str(tmp_path)]).specs == [str(tmp_path / "dangling.yaml")]


def test_the_records_of_runs_are_left_alone(cli, tmp_path):
    spec = "archspec: 1\ninput: [4]\nstages: {a: {linear: 2}}\n"
    for name, text in (("spec.yaml", spec), ("environment.json", "{}"), ("metrics.jsonl", "")):
        (tmp_path / "runs" / "one").mkdir(parents=True, exist_ok=True)
        (tmp_path / "runs" / "one" / name).write_text(text)
    (tmp_path / "net.yaml").write_text(spec)
    (tmp_path / "runs" / "lib.yaml").write_text(LIBRARY)
    assert cli("validate", tmp_path).out.strip() == "1 spec and 1 block library valid (skipped: 1 record of a run)"
    assert cli("validate", tmp_path / "runs" / "one" / "spec.yaml").code == 0


def test_a_path_without_its_ending_is_recognised(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "squeeze.yaml").write_text("archspec: 1\n")
    assert "hint: there is `squeeze.yaml`" in cli("validate", "squeeze").err


def test_warnings_leave_a_spec_valid(cli: Cli, folder: Path) -> None:
    spec = folder / "net.yaml"
    spec.write_text((folder / "good.yaml").read_text() + "train: {data: mnist, lr: 0.1}\n", encoding="utf-8")
    assert cli("validate", spec).out == "1 spec valid\n"
    spec.write_text(spec.read_text().replace("linear: 10", "linear: 10, softmax: 1"), encoding="utf-8")
    done = cli("validate", spec)
    assert (done.code, done.out) == (0, "1 spec valid, 1 warning\navailable: 1 fix with `--fix --unsafe-fixes`\n")
    assert done.err.startswith("warning[SPEC061]: ")
    data = json.loads(cli("validate", spec, "--json").out)["specs"][0]
    assert data["valid"] is True
    assert [(d["code"], d["severity"]) for d in data["warnings"]] == [("SPEC061", "warning")]


def test_a_recipe_whose_data_does_not_suit(cli: Cli, folder: Path) -> None:
    spec = folder / "net.yaml"
    spec.write_text((folder / "good.yaml").read_text() + "train: {data: cifar10, lr: 0.1}\n", encoding="utf-8")
    done = cli("validate", spec)
    assert (done.code, done.out) == (1, "1 error in 1 of 1 spec\navailable: 1 fix with `--fix --unsafe-fixes`\n")
    assert done.err.startswith("error[RUN303]: cifar10 has 3 channels")
    assert cli("profile", spec, "--static").code == 0


@pytest.mark.parametrize(("written", "right"), [
    ("schedule: {step: 20, factor: 0.1}", "schedule: {step: {every: 20, factor: 0.1}}"),
    ("schedule: cosin", "schedule: cosine"),
    ("schedule: {onecycle: 0.4}", "schedule: {one_cycle: 0.4}"),
    ("augment: {flip: 0.5}", "augment: {horizontal_flip: 0.5}"),
    ("augment: [random_crop: 4, hflip: 0.5]", "augment: [random_crop: 4, horizontal_flip: 0.5]"),
    ("init: {weights: he}", "init: {weights: kaiming_normal}"),
    ("init: glorot", "init: xavier_uniform"),
])
def test_a_recipes_values_as_others_write_them(cli: Cli, folder: Path, written: str, right: str) -> None:
    recipe = GOOD + "train: {data: mnist, lr: 0.1, WRITTEN}\n"
    write(folder, wrong=recipe.replace("WRITTEN", written), right=recipe.replace("WRITTEN", right))
    assert cli("validate", "right.yaml").code == 0
    done = cli("validate", "wrong.yaml")
    (hint,) = (line for line in done.err.splitlines() if "= hint: " in line)
    assert hint.split("`")[1] in right


def test_fields_of_no_schedule_get_no_hint_that_fails(cli: Cli, folder: Path) -> None:
    write(folder, wrong=GOOD + "train: {data: mnist, lr: 0.1, schedule: {step: 20, bogus: 0.1}}\n")
    assert "hint" not in cli("validate", "wrong.yaml").err


@pytest.mark.parametrize("command", ["validate", "train", "profile"])
def test_a_misspelt_name_of_a_shipped_spec(cli: Cli, folder: Path, command: str) -> None:
    done = cli(command, "lenett")
    assert done.code != 0
    assert "lenett: no such file" in done.err
    assert "lenet" in done.err.replace("lenett", "")
    assert "`archspec list specs`" in done.err


@pytest.mark.parametrize("command", [["validate"], ["profile", "--static"], ["train"]], ids=lambda c: c[0])
@pytest.mark.parametrize(("path", "message"), [("", "the path is empty"), ("a\nb.yaml", "has a line break")])
def test_what_cannot_be_a_path(cli: Cli, folder: Path, command: list[str], path: str, message: str) -> None:
    """Not the working directory, where a variable of a shell is empty; not a spec itself."""
    done = cli(*command, path)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_a_file_in_a_folder_may_have_a_line_break_in_its_name(cli: Cli, folder: Path) -> None:
    (folder / "specs").mkdir()
    (folder / "specs" / "a\nb.yaml").write_text(GOOD, encoding="utf-8")
    assert cli("validate", "specs").out == "1 spec valid\n"


def test_a_folder_that_cannot_be_read_is_reported(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "specs" / "secret").mkdir(parents=True)
    real = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "secret":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    done = cli("validate", ".")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: permission denied: ")
    assert "secret" in done.err


def test_a_spec_in_utf_16_is_not_skipped(cli: Cli, folder: Path) -> None:
    (folder / "bad.yaml").write_bytes(GOOD.encode("utf-16"))
    done = cli("validate", ".")
    assert (done.code, done.out) == (1, "1 error in 1 of 2 specs\n")
    assert "not UTF-8" in done.err


def test_a_data_set_in_the_place_of_a_spec_is_named_as_one(cli: Cli, folder: Path) -> None:
    done = cli("validate", "good.yaml", "--data", "folder:my pets")
    assert done.code == 1
    assert "hint: expected a spec; `archspec data check 'folder:my pets'` looks at a data set" in done.err
