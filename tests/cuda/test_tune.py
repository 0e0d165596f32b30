"""`--tune` on a real GPU: what it finds is used, and remembered."""

import json


def settings_of(run):
    return json.loads((run / "environment.json").read_text())["settings"]


def test_tune_finds_what_is_fastest_uses_it_and_remembers(cli, specs, device, record_property):
    few = ("--device", device, "--limit-train", 500, "--limit-test", 100)
    done = cli("train", "cnn.yaml", *few, "--tune", "--run-dir", "a")
    assert done.code == 0, done.err
    (chosen,) = (line for line in done.err.splitlines() if line.startswith("chosen: "))
    record_property("chosen", chosen)
    settings, words = settings_of(specs / "a"), chosen.removeprefix("chosen: ").partition(",")[0].split()
    assert words[:2] == ["--precision", settings["precision"]]
    assert ("--channels-last" in words) == settings["channels_last"]
    rows = [line for line in done.err.splitlines() if "images/s" in line and "ms" in line]
    assert len(rows) >= 4, done.err
    again = cli("train", "cnn.yaml", *few, "--tune", "--run-dir", "b")
    assert again.code == 0, again.err
    assert any(line.startswith("tuned before: ") for line in again.err.splitlines()), again.err
    assert settings_of(specs / "b") == settings
