"""The built site: figures with words, nothing from elsewhere, no page wider than a phone.

Skipped where it is not built: `sphinx-build docs docs/_build/html`, or its folder in RMTLAND_SITE.
"""

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import browser

SITE = Path(
    os.environ.get("RMTLAND_SITE", Path(__file__).parent.parent / "docs" / "_build" / "html")
)
PHONE = 360
WIDE = """
    const room = document.documentElement.clientWidth;
    const boxes = 'pre, table, .pst-scrollable-table-container, mjx-container, .math';
    const wide = (one) => one.getBoundingClientRect().right > room + 1
        || (one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1);
    const cut = [...document.querySelectorAll('.bd-article :is(h1, h2, h3, p, code, img)')]
        .filter((one) => !one.closest(boxes) && !one.querySelector(boxes) && wide(one));
    return [Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
            cut.map((one) => one.textContent.slice(0, 60)).slice(0, 5)];
"""


def pages():
    if not (SITE / "index.html").exists():
        pytest.skip("the site is not built: sphinx-build docs docs/_build/html")
    return sorted(
        page
        for page in SITE.rglob("*.html")
        if not {"_modules", "_static"}.intersection(page.relative_to(SITE).parts)
    )


class Tags(HTMLParser):
    """Images without words, but for those beside a title; what is loaded from elsewhere."""

    def __init__(self):
        super().__init__()
        self.mute, self.remote, self.images = [], [], 0

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "img":
            self.images += 1
            words = (values.get("alt") or "").split()
            if len(words) < 3 and not re.search("_thumb|_static/", values.get("src") or ""):
                self.mute.append((values.get("src"), values.get("alt")))
        loads = {"script": "src", "img": "src", "iframe": "src"}.get(tag)
        if tag == "link" and values.get("rel") in ("stylesheet", "preload", "icon"):
            loads = "href"
        address = values.get(loads) if loads else None
        if address and re.match(r"(https?:)?//", address):
            self.remote.append(address)


def test_every_figure_has_words_and_nothing_is_loaded_from_elsewhere():
    images = 0
    for page in pages():
        tags = Tags()
        tags.feed(page.read_text("utf-8"))
        assert tags.mute == [], page
        assert tags.remote == [], page
        images += tags.images
    assert images >= 10


def test_search_works_without_a_network():
    pages()
    assert (SITE / "searchindex.js").stat().st_size > 10_000
    text = (SITE / "search.html").read_text("utf-8")
    assert "searchtools.js" in text


@pytest.mark.slow
def test_pages_fit_a_phone(tmp_path):
    """No page is pushed sideways and no word cut off; wide tables and code scroll in boxes."""
    found = [page for page in pages() if "api" not in page.relative_to(SITE).parts]
    with browser(tmp_path) as chrome:
        chrome.screen(PHONE, 740, mobile=True)
        wide = {}
        for page in found:
            chrome.open(page.as_uri())
            width, cut = chrome.run(WIDE)
            if width > PHONE or cut:
                wide[str(page.relative_to(SITE))] = (width, cut)
    assert wide == {}
