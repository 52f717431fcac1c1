"""The page of a report: what it shows, how large it is, that texts stay texts."""

import html
import re

import pytest

from rmtland.report import (
    LARGEST_PAGE,
    Heading,
    Picture,
    Provenance,
    Report,
    Table,
    Text,
    page,
    provenance_of,
)
from rmtland.report.page import MOST_ROWS

HOSTILE = (
    "<script>window.hacked=1</script>",
    "\"><img src=x onerror='window.hacked=2'>",
    "</script><script>window.hacked=3</script>",
    "{{ 7 * 7 }}{% raw %}",
    "<!--<script>",
    "' onmouseover='window.hacked=4",
    "javascript:window.hacked=5",
)
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


def everywhere(text):
    """Return a report with a text in every place that takes one."""
    picture = Picture((("image/svg+xml", DRAWING),), text, caption=text, name=text)
    origin = Provenance(text, 3, ((text, text),), text, text)
    sections = (
        Heading(text),
        Text(text),
        Text(text, stressed=True),
        Table((text, "b"), ((text, "1"),), text),
        picture,
    )
    return Report(text, sections, origin, above=text, numbers={text: text})


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_text_wherever_it_stands(text):
    plain, made = page(everywhere("harmless")), page(everywhere(text))
    tag = re.compile(r"<[a-zA-Z/!][^>]*>")
    names = [re.match(r"<[/!]?\w*", one).group() for one in tag.findall(made)]
    assert names == [re.match(r"<[/!]?\w*", one).group() for one in tag.findall(plain)]
    assert made.count(html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")) >= 14
    body = made.split('id="numbers">')[1].split("</script>")[0]
    assert not set("<>&") & set(body)


def test_the_page_allows_its_own_script_and_nothing_else():
    made = page(everywhere("a"))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', made).group(1)
    policy = html.unescape(policy)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert len(re.findall("sha256-", policy)) == 2
    assert "://" not in made.replace("http://www.w3.org", "")


def test_the_best_version_of_a_picture_that_fits_is_shown():
    def picture(*sizes):
        kinds = ("image/svg+xml", "image/png", "image/png")
        return tuple((kind, b"x" * size) for kind, size in zip(kinds, sizes, strict=False))

    def kinds(*pictures):
        report = Report("t", tuple(Picture(one, f"words {i}") for i, one in enumerate(pictures)))
        made = page(report)
        assert len(made.encode()) <= LARGEST_PAGE
        return re.findall(r'src="data:(image/[a-z]+)[^"]*" alt="(words \d)"', made), made

    small, large = picture(400_000, 200_000, 50_000), picture(1_900_000, 300_000, 60_000)
    assert kinds(small)[0] == [("image/svg", "words 0")]
    assert kinds(small, large)[0] == [("image/svg", "words 0"), ("image/png", "words 1")]
    shown, made = kinds(small, picture(4_000_000, 3_500_000, 3_000_000))
    assert shown == [("image/svg", "words 0")]
    assert "A picture is too large for this page." in made
    assert len(kinds(*[small] * 9)[0]) == 9


def test_long_tables_and_texts_are_cut_and_the_page_says_so():
    rows = tuple((str(i), "x" * 1000) for i in range(MOST_ROWS + 7))
    made = page(Report("t", (Table(("i", "x"), rows),)))
    assert made.count("<tr>") == 1 + MOST_ROWS
    assert f"The first {MOST_ROWS} of {MOST_ROWS + 7} rows." in made
    assert "x" * 401 not in made


def test_a_report_that_is_too_large_is_refused():
    table = Table(("x",), (("x" * 400,),) * 300)
    with pytest.raises(ValueError, match=r"take \d+ bytes of the 3000000.*report fewer"):
        page(Report("t", (table,) * 40))


def test_columns_of_numbers_are_known():
    cells = (
        ("1", "a"),
        ("-2.5e-3", "1 a"),
        ("", "2"),
        ("inf", "3"),
        ("0.1 to 0.2", ""),
        ("8%", ""),
    )
    made = page(Report("t", (Table(("n", "w"), cells),)))
    assert re.findall(r'<th scope="col"( class="number")?>', made) == [' class="number"', ""]


def test_what_is_no_character_is_no_obstacle():
    assert "a?b" in page(Report("a\ud800b", (Text("\ud800"),), numbers={"\ud800": "\u2028"}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Heading("a", 1), "level must be 2, 3 or 4"),
        (lambda: Table(("a",), (("1", "2"),)), "row 0 has 2 cells under 1 heads"),
        (lambda: Picture((), "a"), "at least one version"),
        (lambda: Picture((("text/html", b""),), "a"), "image/svg"),
        (lambda: Picture((("image/png", b""),), " "), "words that say what can be seen"),
    ],
)
def test_sections_that_cannot_be_shown_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_provenance_names_versions_and_no_person():
    origin = provenance_of("rmtland overlay", seed=4)
    assert {"rmtland", "Python", "numpy"} <= {name for name, _ in origin.versions}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", origin.written)
    made = page(Report("t", (), origin))
    assert "<dt>seed</dt><dd>4</dd>" in made
    assert "rmtland overlay</code>" in made
