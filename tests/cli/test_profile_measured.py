"""`archspec profile` without `--static`: it runs the network too, unless only `expect` fails."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from .conftest import Cli
from .profile_table import totals_of


def test_without_static_it_also_runs_the_network(cli: Cli) -> None:
    done = cli("profile", "lenet", "--device", "cpu", "--batch-size", 2, "--steps", 3, "--warmup", 1, "--threads", 1)
    assert done.code == 0, done.err
    assert "61,706 parameters" in done.out
    rows = {
        name: re.search(rf"^ {name} +([\d.,]+) ms +([\d.,]+)–([\d.,]+) ms +\S.*? +(\d+) $", done.out, re.MULTILINE)
        for name in ("forward", "training step")
    }
    for row in rows.values():
        assert row is not None
        median, low, high = (float(row[k].replace(",", "")) for k in (1, 2, 3))
        assert 0 < low <= median <= high
        assert row[4] == "3"
    assert "batch of 2" in done.out
    assert "1 thread, torch" in done.out


def test_measured_json(cli: Cli) -> None:
    done = cli("profile", "lenet", "--json", "--device", "cpu", "--steps", 2, "--warmup", 1, "--threads", 1)
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert data["totals"]["params"] == 61706
    assert data["measured"]["training_step"]["runs"] == 2
    assert data["measured"]["forward"]["median_ms"] > 0


def test_a_device_that_is_not_there(cli: Cli) -> None:
    done = cli("profile", "lenet", "--device", "cuda:99")
    assert done.code == 1
    assert "error[BUILD202]" in done.err
    assert cli("profile", "lenet", "--device", "gpu").code == 2


# -- where only `expect` fails ---------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["--static"], []], ids=["static", "measured"])
def test_a_network_that_is_not_what_is_expected_is_shown_and_not_run(
    cli: Cli, folder: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archspec.profile.measure", None)
    spec = folder / "other.yaml"
    spec.write_text((folder / "good.yaml").read_text() + "expect: {params: 1, output: [11]}\n", encoding="utf-8")
    plain = cli("profile", "good.yaml", "--static", "--json")
    done = cli("profile", spec, *options)
    assert done.code == 1
    assert totals_of(done.out)["params"] == json.loads(plain.out)["totals"]["params"]
    assert re.findall(r"^error\[(\w+)\]", done.err, re.MULTILINE) == ["SHAPE111", "SHAPE110"]
    done = cli("profile", spec, "--json", *options)
    assert (done.code, json.loads(done.out)["totals"]) == (1, json.loads(plain.out)["totals"])


def test_beside_another_mistake_there_is_no_table(cli: Cli, folder: Path) -> None:
    spec = folder / "other.yaml"
    spec.write_text((folder / "good.yaml").read_text() + "expect: {params: 1}\nvars: {n: 1}\n", encoding="utf-8")
    done = cli("profile", spec, "--static")
    assert (done.code, done.out) == (1, "")
    assert re.findall(r"^error\[(\w+)\]", done.err, re.MULTILINE) == ["SHAPE111", "SPEC025"]
