"""Sweeps are validated like specs: by `archspec validate`, in folders, and by pytest."""

from archspec.sweep.check import examine_sweep
from tests.cli.conftest import cli  # noqa: F401 - a fixture

SOUND = "archspec-sweep: 1\nspec: lenet\ngrid: {train.lr: [0.1, 0.2]}\n"
WRONG = "archspec-sweep: 1\nspec: lenet\ngrid: {train.lr: [0.1, -1], train.epochs: [1, 2]}\n"


def test_each_mistake_is_told_once_with_how_many_combinations_have_it(tmp_path):
    (tmp_path / "s.yaml").write_text(WRONG)
    (found,) = examine_sweep(str(tmp_path / "s.yaml")).errors
    assert (found.code, found.span.line, found.span.column) == ("SPEC060", 3, 24)
    assert found.notes[-1] == "the same in 1 other combination"


def test_validate_knows_sweeps(cli, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(SOUND)
    (tmp_path / "net.yaml").write_text("archspec: 1\ninput: [4]\nstages: {a: {linear: 2}}\n")
    done = cli("validate", ".")
    assert (done.code, done.out.strip()) == (0, "1 spec and 1 sweep valid")
    (tmp_path / "bad.yaml").write_text(WRONG)
    done = cli("validate", ".")
    assert (done.code, done.out.strip()) == (1, "1 error in 1 of 2 sweeps")
    assert "bad.yaml:3:24" in done.err
    assert cli("validate", "bad.yaml").code == 1


def test_a_sweep_that_cannot_be_parsed_is_still_one(cli, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torn.yaml").write_text("archspec-sweep: 1\nspec: [lenet\n")
    done = cli("validate", ".")
    assert done.code == 1
    assert "torn.yaml" in done.err


def test_pytest_collects_sweeps(pytester):
    pytester.makefile(".yaml", good=SOUND, bad=WRONG)
    result = pytester.runpytest_inprocess("-p", "no:xdist")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*SPEC060*"])
