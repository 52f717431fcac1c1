"""The page in Chromium: sorted, copied, enlarged, on a phone, in the dark; hostile texts."""

import json
import time

import pytest
from browser import browser
from matplotlib.figure import Figure
from report.test_page import HOSTILE, everywhere

from rmtland.report import Report, Table, Text, page, picture_of, provenance_of

ROWS = (("b", "10"), ("a", "-2.5e-1"), ("c10", ""), ("c9", "inf"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("chromium")


@pytest.fixture(scope="module")
def chrome(folder):
    with browser(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A report with a figure, a small table and a wide one."""
    figure = Figure(figsize=(6, 4))
    figure.subplots().plot([0, 1, 4], label="law")
    wide = Table(tuple(f"column {i}" for i in range(30)), (("0.123456789",) * 30,), "wide")
    sections = (
        Text("It fails. " * 30, stressed=True),
        picture_of(figure),
        Table(("name", "number"), ROWS, "small"),
        wide,
    )
    origin = provenance_of("rmtland overlay --data 'my digits'", seed=3)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(page(Report("A title", sections, origin, numbers={"x": [1, 2]})), "utf-8")
    return path.as_uri()


ROWS_SHOWN = """
    const rows = [...document.querySelector('table').tBodies[0].rows];
    return rows.map((row) => [...row.cells].map((cell) => cell.textContent));
"""
WHEEL = """
    const options = { deltaY: -400 * Math.log(2), clientX: 100, clientY: 300, cancelable: true };
    document.querySelector('.stage').dispatchEvent(new WheelEvent('wheel', options));
"""
TOOLS_SHOWN = """
    const tools = [...document.querySelectorAll('.tool')];
    return tools.filter((one) => one.checkVisibility()).length;
"""


def cells(chrome):
    return chrome.run(ROWS_SHOWN)


def test_a_click_on_a_head_sorts(chrome, address):
    chrome.open(address)
    assert cells(chrome) == [list(row) for row in ROWS]
    head = "table th:nth-child({}) button"
    chrome.click(head.format(2))
    assert [row[1] for row in cells(chrome)] == ["-2.5e-1", "10", "inf", ""]
    chrome.click(head.format(2))
    assert [row[1] for row in cells(chrome)] == ["inf", "10", "-2.5e-1", ""]
    sorted_by = "return [...document.querySelectorAll('th')].slice(0, 2).map((h) => h.ariaSort)"
    assert chrome.run(sorted_by) == [None, "descending"]
    chrome.press(head.format(1), "\ue007")  # the enter key
    assert [row[0] for row in cells(chrome)] == ["a", "b", "c9", "c10"]
    assert chrome.run(sorted_by) == ["ascending", None]


def test_tables_and_the_command_are_copied(chrome, address):
    chrome.open(address)
    chrome.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    chrome.click(".copy-table")
    lines = ["name\tnumber", *("\t".join(row) for row in ROWS)]
    assert chrome.wait("window.copied") == "\n".join(lines) + "\n"
    assert chrome.wait("document.querySelector('.copy-table').textContent") == "Copied"
    chrome.click(".copy-command")
    chrome.wait("window.copied === \"rmtland overlay --data 'my digits'\"")
    text = chrome.run("return document.getElementById('numbers').textContent")
    assert json.loads(text) == {"x": [1, 2]}


def test_the_numbers_are_saved(chrome, address, folder):
    chrome.open(address)
    chrome.click(".save-numbers")
    saved, end = folder / "downloads" / "numbers.json", time.monotonic() + 20
    while not saved.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert json.loads(saved.read_text("utf-8")) == {"x": [1, 2]}


def test_a_figure_is_enlarged_moved_and_closed(chrome, address):
    chrome.screen(1000, 800)
    chrome.open(address)
    box = """const box = document.querySelector('.viewer img').getBoundingClientRect();
             return [box.left, box.top, box.width, box.height]"""
    chrome.click(".zoom")
    chrome.wait("document.querySelector('.viewer').open")
    chrome.wait("document.querySelector('.viewer img').getBoundingClientRect().width > 900")
    left, top, width, height = chrome.run(box)
    assert (width, width / height) == (pytest.approx(1000), pytest.approx(1.5, rel=0.02))
    assert left + width / 2 == pytest.approx(500)
    words = chrome.run("return document.querySelector('.viewer img').alt")
    assert words == "shown: law."
    chrome.click(".viewer .in")
    assert chrome.run(box)[2] == pytest.approx(1.5 * width)
    # the point below the wheel stays where it is
    chrome.run(WHEEL)
    again = chrome.run(box)
    assert again[2] == pytest.approx(3 * width)
    assert 100 - again[0] == pytest.approx(2 * (100 - (500 - 0.75 * width)))
    for kind, x in (("mousePressed", 400), ("mouseMoved", 430), ("mouseReleased", 430)):
        chrome.develop(
            "Input.dispatchMouseEvent",
            {"type": kind, "x": x, "y": 400, "button": "left", "buttons": 1, "clickCount": 1},
        )
    assert chrome.run(box)[0] == pytest.approx(again[0] + 30)
    chrome.press(".viewer .fit", "0")
    assert chrome.run(box) == pytest.approx([left, top, width, height])
    chrome.press(".viewer .fit", "\ue00c")  # the escape key
    chrome.wait("!document.querySelector('.viewer').open")
    assert chrome.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_light_and_dark(chrome, address, dark, tmp_path):
    chrome.screen(390, 800, mobile=True, dark=dark)
    chrome.open(address)
    assert chrome.run("return innerWidth") == 390
    assert chrome.run("return document.scrollingElement.scrollWidth") == 390
    ground = "return getComputedStyle(document.body).backgroundColor"
    light, black = "rgb(255, 255, 255)", "rgb(20, 24, 29)"
    assert chrome.run(ground) == (black if dark else light)
    chrome.click(".theme")
    assert chrome.run(ground) == (light if dark else black)
    chrome.picture(tmp_path / "phone.png")
    assert (tmp_path / "phone.png").stat().st_size > 10_000
    assert chrome.run("return [...document.images].every((one) => one.alt || !one.src)")


def test_printed_without_buttons(chrome, address):
    chrome.open(address)
    assert chrome.run(TOOLS_SHOWN) == 5
    chrome.develop("Emulation.setEmulatedMedia", {"media": "print"})
    shown = chrome.run(TOOLS_SHOWN)
    chrome.develop("Emulation.setEmulatedMedia", {"media": ""})
    assert shown == 0


def test_hostile_texts_do_nothing(chrome, tmp_path):
    for number, text in enumerate(HOSTILE):
        path = tmp_path / f"{number}.html"
        path.write_text(page(everywhere(text)), "utf-8")
        chrome.open(path.as_uri())
        assert chrome.run("return window.hacked ?? 0") == 0
        assert chrome.run("return document.querySelector('h1').textContent") == text
        assert chrome.run("return document.querySelector('td').textContent") == text
        assert chrome.run("return document.scripts.length") == 2
        numbers = chrome.run("return JSON.parse(document.getElementById('numbers').textContent)")
        assert numbers == {text: text}
        asked = chrome.run("return performance.getEntriesByType('resource').map((one) => one.name)")
        assert [one for one in asked if not one.startswith("data:")] == []
        assert chrome.complaints() == []


def test_a_script_that_is_not_ours_does_not_run(chrome, tmp_path):
    """Should a text ever get through: the page's policy stops it."""
    made = page(Report("t", (Text("PLACE"),)))
    path = tmp_path / "pierced.html"
    path.write_text(
        made.replace("PLACE", "<script>window.hacked=1</script><img src=x onerror=f()>")
    )
    chrome.open(path.as_uri())
    assert chrome.run("return document.scripts.length") == 2
    assert chrome.run("return window.hacked ?? 0") == 0
    assert "Content Security Policy" in " ".join(chrome.complaints())
