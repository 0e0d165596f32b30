"""The page in a real browser: it draws, it fits, it answers to keys, and nothing hostile runs."""

import math
from pathlib import Path

import pytest

from archspec.results.report.page import report_html
from tests.results.report.browser import chromium, needs_browser, opened
from tests.results.report.generated import generated, keep_matrix
from tests.results.report.test_page import HOSTILE

pytestmark = needs_browser

OVERVIEW = """
  const widths = {};
  for (const width of [320, 800, 1280]) {
    frame.style.width = width + "px";
    w.dispatchEvent(new w.Event("resize"));
    await pause(200);
    widths[width] = d.documentElement.scrollWidth;
  }
  return {
    widths, rows: all("#table tbody tr").length, lines: all("#curves .plot path.line").length, sections: all("section").map((s) => s.id),
    dots: all("#settings figure:first-child circle.dot").length, across: all("#parallel path.line").length,
  };
"""


def written(folder, records, title="t", measure="test_accuracy"):
    path = folder / "page.html"
    path.write_text(report_html(records, title=title, measure=measure), encoding="utf-8")
    return path


@pytest.mark.parametrize(("count", "epochs", "seeds", "many"), [(2, 20, 1, False), (50, 20, 3, False), (500, 100, 1, True)])
def test_it_draws_and_fits(tmp_path, count, epochs, seeds, many):
    records = generated(count, epochs=epochs, seeds=seeds, many=many, folder=tmp_path / "runs")
    keep_matrix(records[0].path)
    found = opened(written(tmp_path, records), tmp_path, OVERVIEW)
    groups = len({record.digest for record in records})
    assert found["widths"] == {"320": 320, "800": 800, "1280": 1280}
    assert (found["rows"], found["lines"], found["dots"], found["across"]) == (min(25, groups), groups, groups, groups)
    cost = [] if count == 2 else ["cost"]
    environment = ["findings", "confusion", "environments", "method"]
    assert found["sections"] == ["table", "curves", "importance", "settings", "parallel", *cost, *environment]


def test_sorting_filtering_marking_and_keys(tmp_path):
    found = opened(written(tmp_path, generated(54)), tmp_path, """
      const first = () => one("#table tbody tr").children[1].textContent, heads = all("#table th button");
      const found = { best: first(), sorted: one("#table th[aria-sort]").textContent };
      await press(heads.find((b) => b.textContent === "lr"));
      found.lowest = first(); found.order = one("#table th[aria-sort]").getAttribute("aria-sort");
      await press(all("#table th button").find((b) => b.textContent.startsWith("lr")));
      found.highest = first();
      await fill(one("#filter"), "lr>=0.3 optimizer=sgd");
      found.filtered = all("#table tbody tr").length; found.count = one(".count").textContent;
      await fill(one("#filter"), "nothing-like-it");
      found.none = one("#curves .empty").textContent;
      await fill(one("#filter"), "");
      await press(one("#table input[type=checkbox]"));
      found.marked = all("#table tr.marked").length; found.grey = all("#curves path.rest").length;
      await press(one("#table button.open"));
      found.commands = texts("#table tr.runs code");
      const svg = one("#curves svg.chart");
      svg.focus();
      key(svg, "ArrowLeft");
      found.tip = one("#tip").textContent; found.spoken = one("[aria-live]").textContent !== "";
      key(svg, "ArrowLeft");
      found.earlier = one("#tip").textContent; found.shown = one("#tip").className;
      key(svg, "Escape");
      found.hidden = one("#tip").className;
      const dots = one("#cost svg");
      dots.focus(); key(dots, "ArrowRight");
      found.dot = one("#tip").textContent; found.front = one("#cost .note").textContent.slice(0, 12);
      await fill(all("#curves select")[0], "evaluated_loss");
      found.title = texts("#curves .title");
      await press(all("#curves input[type=checkbox]")[0]);
      for (const band of ["range", "runs", "none"]) await fill(all("#curves select")[2], band);
      for (const colour of ["train.lr", "train.optimizer", "vars.width"]) await fill(all("#curves select")[1], colour);
      await fill(one("#curves input[type=range]"), "0.6");
      found.hash = w.location.hash;
      w.location.reload();
      await new Promise((done) => { frame.onload = done; });
      await pause(100);
      found.kept = [frame.contentDocument.querySelectorAll("#table tr.marked").length, frame.contentDocument.querySelector("#curves select").value];
      return found;
    """)
    assert (found["best"], found["lowest"], found["highest"], found["order"]) == ("0.03", "0.01", "3", "ascending")
    assert found["sorted"].startswith("test acc")
    assert found["filtered"] == 6 and found["count"] == "6 of 18 rows"
    assert found["none"] == "No row fits the filter."
    assert (found["marked"], found["grey"]) == (1, 17)
    assert len(found["commands"]) == 3 and found["commands"][0].startswith("archspec train runs/sweep-lenet/trials/")
    assert found["commands"][0].endswith("/spec.yaml --device cpu --threads 1 --precision fp32 --limit-train 500")
    assert "epoch 20: test accuracy" in found["tip"] and "epoch 19" in found["earlier"] and "(n = 3)" in found["tip"]
    assert (found["shown"], found["hidden"]) == ("on", "")
    assert "test acc" in found["dot"] and found["front"] == "Pareto front"
    assert "test loss" in found["title"]
    assert "series=evaluated_loss" in found["hash"] and "smooth=0.6" in found["hash"]
    assert found["kept"] == [1, "evaluated_loss"]


LINES = """
  const path = (e) => e.getAttribute("d"), lines = all("#curves .plot path.line");
  const found = { dashed: lines.filter((e) => e.classList.contains("unfinished")).length, all: lines.length };
  const svg = one("#curves svg.chart");
  svg.focus();
  key(svg, "ArrowLeft"); key(svg, "ArrowRight");
  found.tip = one("#tip").textContent;
  return found;
"""


def test_a_mean_curve_holds_no_unfinished_run(tmp_path):
    """Two seeds came to their end, one was stopped at a figure far from theirs."""
    from dataclasses import replace

    first, second, third = generated(3)
    stopped = replace(third, status="unfinished", epochs=tuple(replace(row, evaluated_accuracy=0.01) for row in third.epochs), test=None)
    ends = [run.epochs[-1].evaluated_accuracy for run in (first, second)]
    found = opened(written(tmp_path, [first, second, stopped]), tmp_path, LINES)
    assert (found["dashed"], found["all"]) == (1, 2)
    assert f"test accuracy {sum(ends) / 2:.4f}" in found["tip"] and "(n = 2)" in found["tip"]


def test_where_no_run_is_finished_the_longest_is_drawn_and_said_to_be_unfinished(tmp_path):
    from dataclasses import replace

    runs = [replace(run, status="unfinished", epochs=run.epochs[:n], test=None) for run, n in zip(generated(3), (3, 9, 5), strict=True)]
    found = opened(written(tmp_path, runs), tmp_path, LINES)
    assert (found["dashed"], found["all"]) == (3, 3)
    assert f"epoch 9: test accuracy {runs[1].epochs[-1].evaluated_accuracy:.4f}" in found["tip"] and "(unfinished)" in found["tip"]


def test_the_page_says_which_row_is_the_baseline_and_why(tmp_path):
    from dataclasses import replace

    runs = generated(7)
    runs[-1] = replace(runs[-1], settings={**runs[-1].settings, "train.lr": 7.0}, digest="other", test={"loss": 0.1, "accuracy": 0.99})
    found = opened(written(tmp_path, runs), tmp_path, 'return { best: one(".best").textContent, notes: texts(".note").join() };')
    assert found["best"].startswith("Best: lr 7, test acc 0.9900 (n = 1). Baseline: lr 0.0")
    assert "(n = 3), the best of the rows with at least 2 seeds." in found["best"]
    assert "to the baseline, the best of the rows with at least 2 seeds, tested" in found["notes"]


def test_dragging_along_an_axis_writes_the_filter(tmp_path):
    found = opened(written(tmp_path, generated(54)), tmp_path, """
            const drag = async (strip, from, to) => {
        const box = one("#parallel svg").getBoundingClientRect();
        strip.setPointerCapture = () => {};
        for (const [name, y] of [["down", from], ["move", to], ["up", to]]) {
          strip.dispatchEvent(new w.PointerEvent("pointer" + name, { clientX: box.left, clientY: box.top + y, bubbles: true, pointerId: 1 }));
        }
        await pause(200);
      };
      await drag(one("#parallel rect.strip"), 34, 100);
      const first = one("#filter").value;
      await drag(all("#parallel rect.strip")[1], 20, 60);
      return { first, both: one("#filter").value, count: one(".count").textContent };
    """)
    assert found["first"] == "lr>=1 lr<=3"
    assert found["both"] == "lr>=1 lr<=3 optimizer=sgd" and found["count"] == "4 of 18 rows"


def test_nothing_hostile_runs(tmp_path):
    from dataclasses import replace

    records = [
        replace(record, network=HOSTILE, path=Path("runs") / HOSTILE.replace("/", "") / str(k), reason=HOSTILE, status="failed", digest=str(k),
                settings={**record.settings, "vars.__proto__": HOSTILE + str(k), "vars." + HOSTILE: k, "train.constructor": "toString" + str(k)},
                findings=({"code": HOSTILE, "title": HOSTILE, "step": 3, "evidence": [{"text": HOSTILE}]},),
                environment={"versions": {HOSTILE: HOSTILE, "__proto__": "x"}, "cpu": HOSTILE})
        for k, record in enumerate(generated(4))
    ]
    keep_matrix(tmp_path / "runs", names=[HOSTILE, "b"])
    records.append(replace(generated(1)[0], path=tmp_path / "runs", digest="m", settings=records[0].settings))
    found = opened(written(tmp_path, records, HOSTILE), tmp_path, """
      for (const button of all("#table button.open")) await press(button);
      await fill(one("#filter"), 'vars.x>1 <script> "a b" __proto__=1 =');
      return { title: d.title, images: all("img").length, scripts: all("script").length, heading: one("h1").textContent };
    """)
    assert found["title"] != "gone" and (found["images"], found["scripts"]) == (0, 2)
    assert found["heading"].startswith("</script><script>document.title='gone'")


def test_light_dark_and_print(tmp_path):
    page = written(tmp_path, generated(6))
    script = "return { page: w.getComputedStyle(d.body).backgroundColor, ink: w.getComputedStyle(d.body).color };"
    light = opened(page, tmp_path, script)
    dark = opened(page, tmp_path, script, "--blink-settings=preferredColorScheme=0")
    assert (light["page"], dark["page"]) == ("rgb(255, 255, 255)", "rgb(13, 17, 23)") and light["ink"] != dark["ink"]
    chromium(page, tmp_path, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    assert (tmp_path / "page.pdf").stat().st_size > 20_000


def test_pages_without_runs_or_figures(tmp_path):
    from dataclasses import replace

    script = 'return { best: one(".best").textContent, curves: one("#curves .empty").textContent };'
    assert opened(written(tmp_path, []), tmp_path, script)["best"] == "There is no run yet."
    bare = [replace(record, epochs=(), test=None, status="unfinished", findings=()) for record in generated(4, seeds=1)]
    found = opened(written(tmp_path, bare), tmp_path, script)
    assert found == {"best": "No run has a result yet.", "curves": "No run has finished an epoch yet."}


METRIC_LINES = """
  const ends = () => { const d = all("#curves .plot path.line")[0].getAttribute("d").match(/-?[0-9.]+/g); return [Number(d[1]), Number(d.at(-1))]; };
  const log = all("#curves input[type=checkbox]")[0], found = { plain: ends(), title: one("#curves svg.chart").textContent };
  if (!log.checked) await press(log);
  found.log = ends();
  found.logTitle = one("#curves svg.chart").textContent;
  return found;
"""


@pytest.mark.parametrize("metric", ["accuracy", "f1", "exact_match", "r2", "mae"])
def test_a_log_scale_shows_the_error_of_a_metric_whose_best_value_is_one(tmp_path, metric):
    """It falls while the metric rises; an error such as MAE stays what it is."""
    from dataclasses import replace

    def with_metric(run):
        rows = tuple(replace(
            row, train_accuracy=math.nan, evaluated_accuracy=math.nan, train_metrics={metric: row.train_accuracy},
            evaluated_metrics={metric: row.evaluated_accuracy},
        ) for row in run.epochs)
        figures = {"loss": run.test["loss"], metric: run.test["accuracy"]}
        return replace(run, epochs=rows, criterion=metric, test=figures)

    runs = generated(3) if metric == "accuracy" else [with_metric(run) for run in generated(3)]
    found = opened(written(tmp_path, runs, measure=f"test_{metric}"), tmp_path, METRIC_LINES)
    rises, rises_on_log = (first > last for first, last in (found["plain"], found["log"]))  # y grows downwards
    assert (rises, rises_on_log) == (True, metric == "mae")
    assert ("1 \u2212 " in found["logTitle"]) == (metric != "mae")
    assert "1 \u2212 " not in found["title"]
