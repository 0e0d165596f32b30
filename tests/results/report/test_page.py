"""The page as a file: what it holds, how large it is, and that nothing of a run becomes markup."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

import archspec.results.report.page as page
from archspec.results.report.data import page_data
from archspec.results.report.page import MOST_BYTES, SCRIPTS, report_html
from tests.results.report.generated import generated, keep_matrix

HOSTILE = "</script><script>document.title='gone'</script><img src=x onerror=alert(1)>\u2028\u2029'\"&amp;\x00\udc80"


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.mark.parametrize(("count", "epochs", "seeds", "many"), [(2, 20, 1, False), (50, 20, 3, False), (500, 100, 1, True)])
def test_size(count, epochs, seeds, many):
    text = report_html(generated(count, epochs=epochs, seeds=seeds, many=many), title="a sweep")
    assert text.isascii() and len(text) <= MOST_BYTES
    data = data_of(text)
    assert len(data["curves"]) + data["repeated"] == count
    assert max(map(len, data["grids"])) == (20 if epochs == 20 else pytest.approx(50, abs=10))


def test_the_figures_are_those_of_the_runs():
    records = generated(18)
    data = page_data(records, title="t")
    assert [param["key"] for param in data["params"]] == ["train.lr"]
    assert [group["values"] for group in data["groups"]] == [[0.01], [0.03], [0.1], [0.3], [1.0], [3.0]]
    assert data["runs"]["figures"]["test_accuracy"] == pytest.approx([r.test["accuracy"] for r in records], rel=1e-4)
    assert data["runs"]["group"] == [k // 3 for k in range(18)] and data["runs"]["seed"] == [0, 1, 2] * 6
    best = data["groups"][data["baseline"]]
    assert best["verdict"] == "baseline" and all(group["verdict"] != "baseline" for group in data["groups"] if group is not best)


def test_rows_are_in_the_order_of_their_settings():
    records = generated(12, seeds=1)[::-1]
    values = [group["values"] for group in page_data(records, title="t")["groups"]]
    assert values == sorted(values) and values[0] == [0.01, "adam"]


def test_few_runs_show_the_points_within_their_epochs(tmp_path):
    records = generated(3, folder=tmp_path)
    records[1].path.mkdir()
    points = [{"step": k, "epoch": k / 10, "loss": 2.3 / k, "accuracy": k / 1000, "learning_rate": 0.1} for k in range(1, 901)]
    (records[1].path / "steps.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    none, (epochs, accuracies, losses), last = page_data(records, title="t")["steps"]
    assert none == last == [] and epochs[:2] == [0.1, 90] and accuracies[:2] == [0.001, 0.9] and len(losses[2]) == 2 * 200
    assert page_data(generated(13), title="t")["steps"] == []


def test_findings_environments_and_commands():
    records = generated(36 + 18)
    data = page_data(records, title="t")
    (finding,) = data["findings"]
    diverged = [record.path.name for record in records if record.findings]
    assert (finding["code"], [data["runs"]["path"][run[0]] for run in finding["runs"]]) == ("TRAIN501", diverged)
    assert finding["runs"][0][1:] == [540, None, 5.4]
    assert len(data["environments"]) == 2 and data["environment"][:3] == [0, 1, 0]
    assert data["runs"]["options"]["texts"] == ["--device cpu --threads 1 --precision fp32 --limit-train 500"]
    assert (data["folder"], data["runs"]["path"][0]) == ("runs/sweep-lenet/trials", "0012")


def test_matrices_of_the_best_are_summed_over_seeds(tmp_path):
    records = generated(9, folder=tmp_path)
    for record in records[:6]:
        keep_matrix(record.path, "ab", right=90)
    data = page_data(records, title="t")
    assert {matrix["group"] for matrix in data["matrices"]} == {0, 1}
    assert data["matrices"][0]["columns"] == ["a", "b"] and data["matrices"][0]["rows"] == [[270, 30], [30, 270]]


@pytest.mark.parametrize("text", [
    "", "[]", '{"names": ["a"], "classes": 2, "counts": []}', '{"names": ["a"], "classes": 1, "counts": [[0, 1, 5]]}',
    '{"names": ["a"], "classes": 1, "counts": [[0, 0, -5]]}', '{"names": ["a"], "classes": 1, "counts": [[0, 0]]}', "[" * 5000,
])
def test_a_confusion_file_that_is_something_else_is_left_out(tmp_path, text):
    (record,) = generated(1, folder=tmp_path)
    record.path.mkdir()
    (record.path / "confusion.json").write_text(text)
    assert page_data([record], title="t")["matrices"] == []


def test_nothing_of_a_run_becomes_markup():
    records = [
        replace(record, network=HOSTILE, path=Path("runs") / HOSTILE.replace("/", "") / str(k), reason=HOSTILE, status="failed", device=HOSTILE,
                settings={**record.settings, "vars." + HOSTILE: HOSTILE + str(k)}, findings=({"code": HOSTILE, "title": HOSTILE, "step": 3, "evidence": [{"text": HOSTILE}]},),
                environment={"versions": {HOSTILE: HOSTILE}, "cpu": HOSTILE, "data": {"root": HOSTILE}}, digest=str(k))
        for k, record in enumerate(generated(2))
    ]
    text = report_html(records, title=HOSTILE)
    plain = report_html(generated(2), title="t")
    assert [tag for tag, _ in Tags(text).found] == [tag for tag, _ in Tags(plain).found]
    assert text.count("<script") == 2 and text.count("</script") == 2 and "onerror=alert" in text
    assert data_of(text)["params"][0]["key"].startswith("vars.</script>")  # it is there, as text


def test_the_policy_allows_the_pages_own_script_and_style_alone():
    text = report_html(generated(2), title="t")
    (policy,) = (a["content"] for tag, a in Tags(text).found if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    for kind, inner in (("script-src", re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]), ("style-src", re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1])):
        assert rules[kind] == f"'sha256-{b64encode(sha256(inner.encode()).digest()).decode()}'"
    assert rules["default-src"] == "'none'" and rules["require-trusted-types-for"] == "'script'"
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_the_parts_are_plain_and_write_text_nodes_alone():
    folder = Path(page.__file__).with_name("parts")
    assert {path.name for path in folder.glob("*.js")} == set(SCRIPTS)
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        assert text.isascii(), path
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch(", "import("):
            assert forbidden not in text, path


def test_no_runs_and_runs_without_an_epoch():
    assert data_of(report_html([], title="t"))["groups"] == []
    bare = [replace(record, epochs=(), test=None, status="unfinished", findings=()) for record in generated(4)]
    data = data_of(report_html(bare, title="t"))
    assert data["curves"] == [[]] * 4 and data["importance"]["n"] == 0


def test_numbers_that_no_float_holds_are_text():
    values = (10**400, -(2**60), float("nan"), float("inf"), True, None, 0.5)
    records = [
        replace(record, settings={**record.settings, "vars.n": value}, digest=repr(value), params=10**400, seed=10**400)
        for record, value in zip(generated(7, seeds=1), values, strict=True)
    ]
    data = data_of(report_html(records, title="t"))
    assert all(isinstance(group["values"][-1], str) or group["values"][-1] == 0.5 for group in data["groups"])
    assert data["params"][-1] == {"key": "vars.n", "title": "vars.n", "numeric": False, "log": False}
    assert data["runs"]["figures"]["params"] == [None] * 7


def test_figures_that_are_not_finite_are_left_open():
    records = [replace(record, test={"loss": float("nan"), "accuracy": float("inf")}) for record in generated(3)]
    assert data_of(report_html(records, title="t"))["runs"]["figures"]["test_loss"] == [None] * 3
