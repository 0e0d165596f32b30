"""The pytest plugin, run by pytest on small projects of its own."""


import pytest

from archspec.testing import assert_built_shapes, assert_shapes

SOUND = """\
archspec: 1
input: [1, 28, 28]
stages:
  conv: [conv2d: {out_channels: 4, kernel_size: 3}, relu]
  head: [flatten, linear: 10]
expect: {conv: [4, 26, 26], output: [10], params: 27090}
"""
LIBRARY = "archspec: 1\nblocks:\n  act: relu\n"


def test_a_spec_gives_a_test_for_validity_and_one_for_each_expectation(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", net=SOUND)
    result = pytester.runpytest_subprocess("-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines([
        "net.yaml::valid PASSED*", "net.yaml::expect[[]conv[]] PASSED*", "net.yaml::expect[[]output[]] PASSED*",
        "net.yaml::expect[[]params[]] PASSED*",
    ])


def test_a_wrong_expectation_fails_alone_and_shows_the_caret(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", net=SOUND.replace("[4, 26, 26]", "[4, 28, 28]"))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines([
        "*net: expect[[]conv[]]*",
        "error[[]SHAPE110[]]: expected (4, 28, 28) from `conv`, the network gives (4, 26, 26)",
        " --> *net.yaml:6:16",
        "  |                ^^^^^^^^^^^",
    ])
    assert "Traceback" not in result.stdout.str()


def test_all_mistakes_stand_in_the_failure_of_valid(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", net=SOUND.replace("relu", "rellu").replace("linear: 10", "linear: ten"))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1, skipped=3)
    result.stdout.fnmatch_lines(["*no op or block `rellu`*", '*must be an integer, at least 1, got "ten"*'])


def test_a_file_that_cannot_be_parsed_fails(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", net=SOUND + "oops: [\n")
    pytester.runpytest_subprocess().assert_outcomes(failed=1, skipped=3)


def test_the_blocks_of_a_library_are_checked(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", lib=LIBRARY, broken=LIBRARY.replace("relu", "rleu"))
    result = pytester.runpytest_subprocess("-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["broken.yaml::valid FAILED*", "lib.yaml::valid PASSED*", "*no op or block `rleu`"])


def test_a_misspelt_version_fails(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", net=SOUND.replace("archspec:", "archpsec:"))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1, skipped=3)
    result.stdout.fnmatch_lines(["*unknown key `archpsec`", "*hint: a similar name exists: `archspec`"])


def test_other_yaml_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", workflow="on: push\njobs: {build: {archspec: 1}}\n")
    pytester.makefile(".yml", broken="a: [", secret="archspec_version: 3\n")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_record_of_a_run_is_left_alone(pytester: pytest.Pytester) -> None:
    for name, text in (("spec.yaml", SOUND), ("environment.json", "{}"), ("metrics.jsonl", "")):
        (pytester.mkdir("run") if not (pytester.path / "run").exists() else pytester.path / "run").joinpath(name).write_text(text)
    assert pytester.runpytest_subprocess().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_build_compares_with_the_real_module(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", net=SOUND)
    pytester.runpytest_subprocess("--archspec-build").assert_outcomes(passed=5)


def test_a_run_without_specs_imports_nothing_of_archspec(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys

        def test_nothing_heavy():
            ours = {m for m in sys.modules if m.startswith("archspec")}
            assert ours <= {"archspec", "archspec.pytest_plugin"}
            assert "pydantic" not in sys.modules and "torch" not in sys.modules
    """)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)


def test_static_checks_do_not_import_torch(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", net=SOUND)
    pytester.makeconftest("""
        import sys

        def pytest_sessionfinish(session):
            print("torch imported:", "torch" in sys.modules)
    """)
    result = pytester.runpytest_subprocess("-s")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*torch imported: False*"])


def test_the_fixture_finds_a_spec_beside_the_test(pytester: pytest.Pytester) -> None:
    folder = pytester.mkpydir("inner")
    (folder / "net.yaml").write_text(SOUND)
    (folder / "test_it.py").write_text(
        "def test_it(archspec_load):\n"
        "    assert archspec_load('net.yaml').report.shapes == {'conv': (4, 26, 26), 'head': (10,)}\n"
    )
    pytester.runpytest_subprocess("inner/test_it.py").assert_outcomes(passed=1)


FAILING = """
from archspec.testing import assert_built_shapes, assert_shapes

def test_shapes():
    assert_shapes("net.yaml", {"conv": (4, 1, 1)})

def test_broken():
    assert_shapes("broken.yaml", {"conv": (4, 1, 1)})

def test_broken_to_build():
    assert_built_shapes("broken.yaml")

def test_broken_to_load(archspec_load):
    archspec_load("broken.yaml")
"""


def test_a_failing_assertion_shows_none_of_our_own_frames(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", net=SOUND, broken=SOUND.replace("relu", "rellu"))
    pytester.makepyfile(FAILING)
    result = pytester.runpytest_subprocess()
    text = result.stdout.str()
    assert "conv: expected (4, 1, 1), got (4, 26, 26)" in text
    assert text.count("no op or block `rellu`") >= 3
    for ours in ("archspec/testing.py", "archspec/api/", "pytest_plugin.py:"):
        assert ours not in text
    assert "During handling" not in text


@pytest.mark.parametrize("folder", [".", "inner", "elsewhere"])
def test_a_relative_path_does_not_depend_on_the_working_directory(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    inner, elsewhere = pytester.mkdir("inner"), pytester.mkdir("elsewhere")
    pytester.makeini("[pytest]")
    (inner / "net.yaml").write_text(SOUND)
    (elsewhere / "net.yaml").write_text(SOUND.replace("[4, 26, 26]", "[4, 1, 1]"))
    (elsewhere / "lenet.yaml").write_text(SOUND)
    (pytester.path / "top.yaml").write_text(SOUND)
    (inner / "test_it.py").write_text(
        "from archspec.testing import assert_shapes\n"
        "def test_beside(): assert_shapes('net.yaml', {'conv': (4, 26, 26)})\n"
        "def test_at_the_root(): assert_shapes('top.yaml', {'conv': (4, 26, 26)})\n"
        "def test_shipped(): assert_shapes('lenet', {'params': 61706})\n"
        "def test_nowhere(): assert_shapes('lenet.yaml', {'params': 61706})\n"
    )
    monkeypatch.chdir(pytester.path / folder)
    result = pytester.runpytest_subprocess("--rootdir", pytester.path, "-c", pytester.path / "tox.ini", inner / "test_it.py")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines([
        "*SPEC001*lenet.yaml: no such file", f"*note: looked for in {inner}", f"*note: looked for in {pytester.path}",
        "*hint: write the path relative to the test's file or to pytest's rootdir",
    ])


def test_assert_shapes_tells_all_differences_at_once() -> None:
    assert_shapes(SOUND, {"conv": (4, 26, 26), "head.linear_1": [10], "output": (10,), "params": 27090})
    with pytest.raises(AssertionError) as e:
        assert_shapes(SOUND, {"conv": (4, 1, 1), "nowhere": (1,), "macs": 3})
    assert [line.strip() for line in str(e.value).splitlines()[1:]] == [
        "conv: expected (4, 1, 1), got (4, 26, 26)",
        "nowhere: network has no such stage or layer",
        f"macs: expected 3, got {26 * 26 * 4 * 9 + 2704 * 10:,}",
    ]


def test_assert_built_shapes_notices_a_module_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert_built_shapes(SOUND)
    from torch import nn

    from archspec.ops.activation import ReLU

    monkeypatch.setattr(ReLU, "build", lambda self, x: nn.MaxPool2d(2))
    with pytest.raises(AssertionError, match=r"conv: inferred \(2, 4, 26, 26\), the module gives \(2, 4, 13, 13\)"):
        assert_built_shapes(SOUND.replace("flatten, linear: 10", "global_avg_pool2d, flatten, linear: 10")
                            .split("expect")[0])
