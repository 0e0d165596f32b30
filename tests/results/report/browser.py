"""A headless Chromium that opens a page, does what a script says, and hands back what it found."""

import html
import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: no page was opened in a browser")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--allow-file-access-from-files", "--virtual-time-budget=8000",
    "--enable-logging=stderr",
)
DRIVER = """<!doctype html><body style="margin:0"><iframe id="frame" style="border:0;width:{width}px;height:900px"></iframe><script>
const frame = document.getElementById("frame"), pause = (ms) => new Promise((done) => setTimeout(done, ms));
const report = (found) => {{ const out = document.createElement("pre"); out.id = "found"; out.textContent = JSON.stringify(found); document.body.append(out); }};
frame.onload = async () => {{
  frame.onload = null;
  const w = frame.contentWindow, d = frame.contentDocument, all = (q) => [...d.querySelectorAll(q)], one = (q) => d.querySelector(q);
  const texts = (q) => all(q).map((e) => e.textContent);
  const key = (e, name) => e.dispatchEvent(new w.KeyboardEvent("keydown", {{ key: name, bubbles: true, cancelable: true }}));
  const fill = async (e, value) => {{ e.value = value; e.dispatchEvent(new w.Event(e.tagName === "SELECT" ? "change" : "input", {{ bubbles: true }})); await pause(50); }};
  const press = async (e) => {{ e.click(); await pause(50); }};
  try {{
    const found = await (async () => {{ {steps} }})();
    report({{ ...found, problem: one("#problem").textContent, ready: d.documentElement.dataset.ready }});
  }} catch (problem) {{ report({{ problem: String(problem.stack), ready: "no" }}); }}
}};
frame.src = {page};
</script></body>"""


def opened(page, folder, steps, *options, width=1280):
    """What `steps`, the body of a script, returns of the page. An error in the page or in its console fails the test."""
    driver = folder / "driver.html"
    driver.write_text(DRIVER.format(width=width, steps=steps, page=json.dumps(page.name)), encoding="utf-8")
    done = chromium(driver, folder, f"--window-size={max(500, width)},900", "--dump-dom", *options)
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    result = json.loads(html.unescape(found[1]))
    problem = result.pop("problem")
    assert not problem, problem
    assert result.pop("ready") == "yes"
    return result


def chromium(page, folder, *options):
    """Run it on a file."""
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
