"""A trial's result: why it failed, as data, and in results of an earlier archspec."""

import json
from pathlib import Path

import pytest

from archspec.results.trials import Result, Store
from archspec.sweep.runner import failure_of

MESSAGE = "the gradient is not finite (inf) at step 12"


def result(**values: str) -> Result:
    return Result("a", "lenet", {}, 0, "failed", **values)


@pytest.mark.parametrize(("found", "expected"), [
    (result(code="RUN310", message=MESSAGE, reason="whatever stderr said"), "RUN310 the gradient is not finite"),
    (result(reason=f"error[RUN310]: {MESSAGE}"), "RUN310 the gradient is not finite"),
    (result(reason="error: no memory"), "error: no memory"),
    (result(reason="error[RUN310"), "error[RUN310"),
    (result(), ""),
])
def test_a_reason_without_the_figures_that_differ_from_run_to_run(found: Result, expected: str) -> None:
    assert found.short_reason() == expected


def test_results_of_an_earlier_archspec_are_read(tmp_path: Path) -> None:
    old = {"id": "a", "variant": "lenet", "varied": {}, "seed": 0, "status": "failed", "format": 1,
           "reason": f"error[RUN310]: {MESSAGE}", "summary": None, "params": 1, "macs": 2, "seconds": 3.0, "rung": None}
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.json").write_text(json.dumps(old))
    found = Store(tmp_path).result("a")
    assert found is not None
    assert (found.code, found.message, found.short_reason()) == ("", "", "RUN310 the gradient is not finite")


@pytest.mark.parametrize(("printed", "expected"), [
    ({"format": 1, "diagnostics": [{"code": "RUN310", "message": MESSAGE}]}, ("RUN310", MESSAGE)),
    ({"format": 1, "diagnostics": [{"code": None, "message": "no memory"}]}, ("", "")),
    ({"diagnostics": []}, ("", "")),
    ({"diagnostics": ["RUN310"]}, ("", "")),
    ([], ("", "")),
    (None, ("", "")),
])
def test_code_and_message_are_what_train_json_printed(tmp_path: Path, printed: object, expected: tuple[str, str]) -> None:
    log = tmp_path / "a.log"
    assert failure_of(log) == ("", "")
    log.with_suffix(".json").write_text(json.dumps(printed))
    assert failure_of(log) == expected
