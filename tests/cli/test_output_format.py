"""`--output-format` of commands that have a result besides their mistakes."""

import json

import pytest

COMMANDS = {
    "profile": ("profile", "--static"),
    "train": ("train", "--device=cpu", "--limit-train=64", "--limit-test=64", "--no-trials", "--run-dir=run"),
}
SPEC = """\
archspec: 1
input: [1, 8, 8]
stages: {conv: [conv2d: {out_channels: 4, kernel_size: 3, stride: 2}], head: [flatten, linear: 10]}
train: {data: digits, lr: 0.1, epochs: 1, batch_size: 32}
expect: {head: [11]}
"""


def results(text):
    """The codes of a SARIF log."""
    log = json.loads(text)
    assert log["version"] == "2.1.0"
    return [result["ruleId"] for result in log["runs"][0]["results"]]


@pytest.fixture(params=COMMANDS)
def command(request):
    return COMMANDS[request.param]


def test_a_mistake_is_printed_in_each_format(cli, folder, command):
    name, *options = command
    plain = cli(name, "bad.yaml", *options)
    assert (plain.code, plain.out) == (1, "")
    assert plain.err.startswith("error[SPEC012]: ")
    assert cli(name, "bad.yaml", *options, "--output-format", "text") == plain
    as_json = cli(name, "bad.yaml", *options, "--output-format", "json")
    assert as_json == cli(name, "bad.yaml", *options, "--json")
    assert [d["code"] for d in json.loads(as_json.out)["diagnostics"]] == ["SPEC012"]
    for_github = cli(name, "bad.yaml", *options, "--output-format", "github")
    assert (for_github.code, for_github.err) == (1, "")
    assert for_github.out.startswith("::error title=archspec (SPEC012),file=bad.yaml,line=5,col=27,endLine=5,endColumn=30::")
    log = cli(name, "bad.yaml", *options, "--output-format", "sarif")
    assert (log.code, log.err, results(log.out)) == (1, "", ["SPEC012"])
    both = cli(name, "bad.yaml", *options, "--output-format", "sarif", "--json")
    assert both.out == as_json.out  # as for `validate`


def test_a_result_does_not_disturb_the_log(cli, folder):
    """It goes to stderr, where `text` has it on stdout."""
    plain = cli("profile", "good.yaml", "--static")
    log = cli("profile", "good.yaml", "--static", "--output-format", "sarif")
    assert (log.code, results(log.out)) == (0, [])
    assert log.err == plain.out != ""
    for_github = cli("profile", "good.yaml", "--static", "--output-format", "github")
    assert for_github == plain
    assert json.loads(cli("profile", "good.yaml", "--static", "--output-format", "json").out)["format"]


def test_a_training_s_summary_does_not_disturb_the_log(cli, folder):
    (folder / "tiny.yaml").write_text(SPEC.partition("expect")[0])
    done = cli("train", "tiny.yaml", *COMMANDS["train"][1:], "--output-format", "sarif")
    assert (done.code, results(done.out)) == (0, []), done.err
    assert "run folder: run" in done.err


def test_an_error_after_the_result_is_in_the_log(cli, folder):
    """`expect` is compared after the figures are known."""
    (folder / "spec.yaml").write_text(SPEC)
    log = cli("profile", "spec.yaml", "--static", "--output-format", "sarif")
    assert (log.code, results(log.out)) == (1, ["SHAPE110"])
    assert "conv.conv2d_1" not in log.out and "conv.conv2d_1" in log.err


def test_an_option_of_the_command_line_that_is_wrong_is_no_mistake_of_a_spec(cli, folder):
    done = cli("profile", "good.yaml", "--static", "--steps=3", "--output-format", "sarif")
    assert (done.code, results(done.out)) == (2, [])
    assert "--steps has no effect with --static" in done.err
    assert cli("profile", "good.yaml", "--output-format", "xml").code == 2


def test_only_the_first_process_prints(cli, folder, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    for form in ("sarif", "github", "json"):
        assert cli("profile", "bad.yaml", "--static", "--output-format", form).out == ""
