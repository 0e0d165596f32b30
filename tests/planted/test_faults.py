"""The list of faults keeps up with the code, and the command says what is not caught."""

from __future__ import annotations

import pytest

from tests.planted.__main__ import main
from tests.planted.faults import FAULTS
from tests.planted.plant import ROOT, Fault, Outcome

QUICK = "expressions/test_interface.py"
COMMENT = Fault("a comment", "expressions/parser.py", "_MAX_RECURSION: Final = 100  # of", "_MAX_RECURSION: Final = 100  # in", QUICK)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_can_be_planted(fault: Fault) -> None:
    source = ROOT / "archspec" / fault.file
    text = source.read_text(encoding="utf-8")
    planted = fault.planted(text)
    assert planted != text and fault.tests
    compile(planted, source, "exec", dont_inherit=True)
    for path in fault.paths:
        file, _, test = path.partition("::")
        assert f"def {test.partition('[')[0]}" in (ROOT / file).read_text(encoding="utf-8")


def test_each_fault_has_a_name_of_its_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 38


def test_what_no_test_notices_is_not_caught(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], [COMMENT]) == 1
    assert capsys.readouterr().out.startswith(
        "a comment (archspec/expressions/parser.py): not caught\n0 of 1 caught (0 %) in ")


def test_what_a_test_finds_without_the_fault_too_does_not_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.planted.__main__.outcome_of", lambda fault, sound: Outcome(f"tests/{QUICK}::test_that_is_not_there"))
    assert main([], [COMMENT]) == 1
    assert "without any fault: its tests did not run: " in capsys.readouterr().out
