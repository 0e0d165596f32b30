"""The page in a real browser: it draws what the SVG has, opens, closes, searches, sorts, and answers to keys."""

import json

import pytest

from archspec.api import load
from archspec.show.place import Look, place
from archspec.show.scene import scene_of
from tests.results.report.browser import chromium, needs_browser, opened
from tests.show.test_page import html_of

pytestmark = [needs_browser, pytest.mark.slow]

BOXES = """
  const boxes = {};
  for (const box of all("[data-box]")) {
    const body = box.querySelector(".body");
    boxes[box.dataset.box] = ["x", "y", "width", "height"].map((name) => Number(body.getAttribute(name)));
  }
  const lines = all("path.edge").length, shapes = texts("text.shape");
  return { boxes, lines, shapes, sections: all("section").map((s) => s.id) };
"""


def written(folder, source, **options):
    path = folder / "page.html"
    path.write_text(html_of(source, **options), encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "depth"), [("lenet", 9), ("googlenet", 9), ("resnet152", 9), ("unet", 1), ("vit_b_16", 9), ("nasbench201", 9), ("siamese", 9)])
def test_it_draws_what_the_svg_has(tmp_path, name, depth):
    found = opened(written(tmp_path, name, depth=depth), tmp_path, BOXES)
    loaded = load(name)
    network = scene_of(loaded.graph, loaded.report)
    drawn = place(network, Look(depth, "macs"))
    number = {id(box): str(k) for k, box in enumerate(network.walk())}
    expected = {number[id(x.box)]: [x.x, x.y, x.width, x.height] for x in list(drawn.walk())[1:]}
    assert found["boxes"].keys() == expected.keys()
    for key, place_of in expected.items():
        assert found["boxes"][key] == pytest.approx(place_of, abs=0.2), key
    lines = [line for x in drawn.walk() for line in x.lines]
    assert found["lines"] == len(lines) and sorted(found["shapes"]) == sorted(line.text for line in lines if line.text)
    assert found["sections"] == ["diagram", "table", "timeline", "roofline"]


def test_opening_searching_sorting_and_keys(tmp_path):
    found = opened(written(tmp_path, "resnet18", depth=0), tmp_path, """
      const box = (path) => all("[data-box]").find((e) => e.getAttribute("aria-label").startsWith(path)), found = {};
      found.closed = all("[data-box]").length;
      box("b2").dispatchEvent(new w.MouseEvent("click", { bubbles: true })); await pause(50);
      found.opened = [all("[data-box]").length, box("b2").getAttribute("aria-expanded")];
      box("b2").focus(); key(box("b2"), "ArrowRight"); await pause(50);
      found.inside = d.activeElement.getAttribute("aria-label").split(":")[0];
      key(d.activeElement, "ArrowLeft"); await pause(50); key(d.activeElement, "ArrowLeft"); await pause(50);
      found.again = [all("[data-box]").length, d.activeElement.getAttribute("aria-label").split(" ")[0]];
      found.tip = one("#tip").textContent;
      await fill(one("#search"), "shortcut");
      found.count = one(".toolbar .count").textContent; found.rows = all("#table tbody tr").length;
      found.dim = all(".box.dim").length; found.marked = all(".box.found").length;
      key(one("#search"), "Enter"); await pause(100);
      found.shown = Boolean(box("b3.0.add_1.shortcut"));
      key(one("#search"), "Escape"); await pause(50);
      const head = (text) => all("#table th button").find((b) => b.textContent.startsWith(text)), first = () => one("#table tbody th").textContent;
      await press(head("parameters")); found.most = first(); found.order = one("#table th[aria-sort]").getAttribute("aria-sort");
      await press(head("parameters")); found.least = first();
      await press(all("#table .link").find((b) => b.textContent.startsWith("b5.1.add_1.main.conv2d_2"))); await pause(100);
      found.revealed = d.activeElement.getAttribute("aria-label").split(":")[0];
      const cells = all("#table tbody tr").map((row) => [...row.children].map((cell) => cell.textContent));
      const macs = texts("#table thead button").findIndex((text) => text.startsWith("MACs"));
      found.shares = cells.map((cell) => [cell[macs] === "\u2013", cell.at(-1) === "\u2013"]);
      await fill(all(".toolbar select")[0], "0"); found.legend = one(".legend").textContent;
      await fill(all(".toolbar select")[1], "0"); found.stages = all("[data-box]").length;
      found.hash = w.location.hash;
      return found;
    """)
    assert (found["closed"], found["opened"]) == (8, [15, "true"])
    assert found["inside"] == "b2.0.add_1.main.conv2d_1 ×2" and found["again"] == [8, "b2"] and "MACs" in found["tip"]
    assert (found["count"], found["rows"], found["marked"]) == ("3 layers", 3, 3) and found["dim"] == 5
    assert found["shown"] and (found["most"][:2], found["order"]) == ("b5", "descending") and found["least"] != found["most"]
    assert found["revealed"] == "b5.1.add_1.main.conv2d_2" and found["legend"].startswith("parameters per box:")
    assert [True, True] in found["shares"] and all(none == dash for none, dash in found["shares"])
    assert found["stages"] == 8 and "color=params" in found["hash"] and "sort=params" in found["hash"]


def test_charts_answer_to_pointer_and_keys(tmp_path):
    found = opened(written(tmp_path, "lenet", batch_size=4), tmp_path, """
      const found = {}, timeline = one("#timeline svg"), roof = one("#roofline svg");
      timeline.focus(); key(timeline, "Home"); found.first = one("#tip").textContent;
      key(timeline, "End"); found.last = one("#tip").textContent;
      key(timeline, "Home"); key(timeline, "Enter"); await pause(50);
      found.shown = d.activeElement.getAttribute("aria-label").split(":")[0];
      roof.focus(); key(roof, "ArrowRight"); found.point = one("#tip").textContent;
      found.dots = all("#roofline circle.dot").length; found.verdict = one("#roofline .facts").textContent;
      found.names = texts("#roofline option"); await fill(one("#roofline select"), String(found.names.indexOf("NVIDIA GeForce RTX 3090"))); found.other = one("#roofline .facts").textContent;
      found.peak = one("#timeline .facts").textContent;
      return found;
    """)
    assert "conv1.conv2d_1" in found["first"] and "loss and optimizer" in found["last"] and found["shown"] == "conv1.conv2d_1"
    assert "FLOPs per byte" in found["point"] and found["dots"] == 11
    assert found["verdict"].startswith("On NVIDIA H200 SXM 10 of 11 layers are bound by bandwidth")
    assert found["other"].startswith("On NVIDIA GeForce RTX 3090") and found["peak"].startswith("Peak ")


def test_predictions_beside_measurements(tmp_path):
    measured = {layer.path: 0.05 for layer in load("lenet").report.layers()}
    found = opened(written(tmp_path, "lenet", measured=measured), tmp_path, """
      const plot = one("#predicted svg"); plot.focus(); key(plot, "ArrowRight");
      return { tip: one("#tip").textContent, dots: all("#predicted circle.dot").length, facts: one("#predicted .facts").textContent, names: texts("#table thead button") };
    """)
    assert "measured 0.0500 ms" in found["tip"] and "predicted" in found["tip"] and found["dots"] == 11
    assert found["facts"].startswith("Predicted on NVIDIA H200") and {"predicted time", "measured time"} <= set(found["names"])


def test_it_fits_a_phone_prints_and_has_two_themes(tmp_path):
    page = written(tmp_path, "googlenet")
    found = opened(page, tmp_path, """
      const widths = {};
      for (const width of [320, 800, 1280]) { frame.style.width = width + "px"; w.dispatchEvent(new w.Event("resize")); await pause(200); widths[width] = d.documentElement.scrollWidth; }
      return { widths };
    """)
    assert found["widths"] == {"320": 320, "800": 800, "1280": 1280}
    script = 'return { page: w.getComputedStyle(d.body).backgroundColor, box: w.getComputedStyle(one(".net .s0")).fill };'
    light, dark = opened(page, tmp_path, script), opened(page, tmp_path, script, "--blink-settings=preferredColorScheme=0")
    assert (light["page"], dark["page"]) == ("rgb(255, 255, 255)", "rgb(13, 17, 23)") and light["box"] != dark["box"]
    chromium(page, tmp_path, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    assert (tmp_path / "page.pdf").stat().st_size > 20_000


def test_nothing_hostile_runs(tmp_path):
    page = written(tmp_path, "lenet")
    text = page.read_text(encoding="utf-8")
    hostile = "</script><script>document.title='gone'</script><img src=x onerror=alert(1)>"
    page.write_text(text.replace(json.dumps("conv1.conv2d_1"), json.dumps(hostile).replace("<", r"\\u003c")[0:]), encoding="utf-8")
    found = opened(page, tmp_path, 'return { title: d.title, images: all("img").length, rows: one("#table tbody th").textContent };')
    assert (found["title"], found["images"]) == ("lenet", 0) and "onerror" in found["rows"]
