"""The example report that is committed: a page like any other, and the README's table is of the same runs."""

import json
import re
import runpy
from html.parser import HTMLParser
from pathlib import Path

import pytest

import archspec
from archspec.results.report.curves import thinned

ROOT = Path(__file__).parent.parent
EXAMPLE = runpy.run_path(str(ROOT / "docs" / "example.py"))
TEXT = EXAMPLE["PAGE"].read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8").partition(EXAMPLE["BEGIN"])[2].partition(EXAMPLE["END"])[0]
VOID = {"meta", "link", "img", "br", "input", "hr"}


class Page(HTMLParser):
    """Tags that are open at the end, what is loaded, the policy and the data."""

    def __init__(self):
        super().__init__()
        self.open, self.loads, self.policy, self.data = [], [], "", ""

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag not in VOID:
            self.open.append((tag, found))
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"]
        self.loads += [found[name] for name in ("src", "href", "srcset", "data", "action") if name in found]

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open and self.open[-1][0] == "script" and self.open[-1][1].get("type") == "application/json":
            self.data += data


@pytest.fixture(scope="module")
def page():
    found = Page()
    found.feed(TEXT)
    found.close()
    return found


def test_it_is_whole_small_and_loads_nothing(page):
    assert page.open == [] and page.loads == []
    assert page.policy.startswith("default-src 'none'; script-src 'sha256-") and "http" not in page.policy
    assert len(TEXT.encode()) <= 200_000 and TEXT.isascii()


def test_nothing_of_the_machine_is_in_it():
    assert not re.findall(r"/(?:work|home|root|tmp|Users)/", TEXT)


def rows(page):
    """Of each row what names it, and its runs."""
    data = json.loads(page.data)
    place = [param["key"] for param in data["params"]].index("recipe")
    return {group["values"][place]: data["runs"]["group"].count(k) for k, group in enumerate(data["groups"])}


def test_its_rows_are_recipes_of_lenet_and_the_readme_has_the_same(page):
    recipes = archspec.load("lenet").data["recipes"]
    named = rows(page)
    assert set(named) <= {*recipes} and len(named) == 10
    listed = dict(re.findall(r"^ ?(lenet-\d\d) .*? (\d+) +0\.\d{4}", README, re.MULTILINE))
    assert {name: int(n) for name, n in listed.items()} == named


def test_every_run_of_it_was_finished_and_on_all_images(page):
    data = json.loads(page.data)
    assert set(data["runs"]["status"]) == {"finished"}
    environments = [dict(pairs) for pairs in data["environments"]]
    assert {one["training images"] for one in environments} == {"60000"}
    assert all(len(data["grids"][curve[0]]) == len(thinned(epochs, 60)) for curve, epochs in zip(data["curves"], data["runs"]["epochs"], strict=True))
