"""`rmtland report`, and `--html` of commands: pages of what is computed, of earlier results."""

import html
import json
import re
import subprocess

import pytest
from matplotlib.figure import Figure
from rich.table import Table
from rich.text import Text

from rmtland.cli.output import Output
from rmtland.cli.report_page import ReportPage, command_line, command_name

LOOK_AT_PICTURES = ()

OVERLAY = (
    "overlay",
    "--data",
    "gaussian",
    "--width",
    3,
    "--samples",
    12,
    "--energy",
    0,
    "--max-steps",
    3,
    "--no-dyson",
    "--no-conditioned",
    "--seed",
    5,
)


def visible(page):
    """Return the text of a page without tags."""
    return html.unescape(re.sub(r"<[^>]+>", "\n", page))


def test_an_overlay_writes_its_page_and_is_reported_again(rmtland):
    result = rmtland(*OVERLAY, "--html", "my page.html")
    assert result.code == 0
    assert result.out.endswith("wrote my page.html\n")
    page = (result.folder / "my page.html").read_text("utf-8")
    text = visible(page)
    assert "Hessian of a 3-3-3 relu network, 18 parameters" in text
    assert "rmtland overlay --data gaussian --width 3" in text
    assert "--html 'my page.html'" in text
    assert "Wishart + Wigner as printed" in text
    assert re.search(r"seed\n+5\n", text)
    assert re.search(r'src="data:image/svg\+xml;base64,[^"]+" alt="Hessian of a 3-3-3', page)
    saved = json.loads(page.split('id="numbers">')[1].split("</script>")[0])
    assert saved["settings"]["seed"] == 5

    again = rmtland("report", "--json", "r.json", "--title", "For <you>")
    assert (again.code, again.err) == (0, "")
    whole = (again.folder / "rmtland-report.html").read_text("utf-8")
    assert "<title>For &lt;you&gt;</title>" in whole
    for words in ("overlay.json", "overlay-spectrum.npz", "rmtland overlay --data gaussian"):
        assert words in visible(whole)
    told = json.loads((again.folder / "r.json").read_text())
    assert told["bytes"] == len(whole.encode()) < 3_000_000
    assert "is not a picture in PNG" in told["left_out"].pop("overlay.png")  # a stub of tests
    assert told["left_out"] == {}


def test_a_page_begins_with_the_answer(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["rmtland", "audit"])
    output = Output(tmp_path, html=tmp_path / "a.html")
    table = Table("level")
    for stage in (1, 2):
        output.part()
        output.line(f"stage {stage}\ndata {stage}")
        output.table(table)
        output.answer(f"verdict {stage}")
        output.figure(Figure(figsize=(1, 1)), "figure")
    output.warn("beware")
    output.numbers({})
    page = (tmp_path / "a.html").read_text("utf-8")
    seen = re.findall(r"<h1>.*|<h2>.*|<figure|<table|<p class=\"words.*", page)
    stages = [
        (
            f"<h2>stage {i}</h2>",
            f'<p class="words stressed">verdict {i}</p>',
            "<figure",
            f'<p class="words">data {i}</p>',
            "<table",
        )
        for i in (1, 2)
    ]
    second = [*stages[1][:2], '<p class="words stressed">beware</p>', *stages[1][2:]]
    assert seen[:1] == ["<h1>rmtland audit</h1>"]
    assert seen[1:-1] == [*stages[0], *second]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("report",), "rmtland-output is not there"),
        (("report", "nowhere.json"), "nowhere.json is not there"),
        (("report", "--html", "report.py"), "a file whose name ends in .html; got report.py"),
        ((*OVERLAY, "--html", "o.json"), "a file whose name ends in .html; got o.json"),
        ((*OVERLAY, "--html", "x.html/o.html"), "x.html is a file; give a folder"),
        ((*OVERLAY, "--html", "o.html", "--json", "./o.html"), "are the same file, o.html"),
        (("report", "--html", "o.html", "--json", "o.html"), "are the same file, o.html"),
        (("reproduce", "fig1", "--redraw", "--html", "o.html"), "leave out --redraw"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_before_the_work(
    rmtland, tmp_path, arguments, message
):
    (tmp_path / "here" / "x.html").write_text("mine")
    result = rmtland(*arguments)
    assert result.code == 2
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert result.written == ["x.html"]


def test_tables_are_those_that_are_printed(tmp_path):
    page = ReportPage(tmp_path / "a.html")
    table = Table(title="Two\nlaws")
    table.add_column("law")
    table.add_column(Text("KS"))
    table.add_row("one\nlaw", Text("0.1"))
    table.add_row("another", None)
    page.text("Title,\nfirst line")
    page.table(table)
    page.write({"stages": [{"seed": True}, {"inner": {"seed": 7}}]})
    text = visible((tmp_path / "a.html").read_text("utf-8"))
    assert [line for line in text.splitlines() if line.strip()][1:]
    for words in ("Title", "first line", "Two laws", "one law", "0.1", "another"):
        assert f"\n{words}\n" in text
    assert re.search(r"seed\n+7\n", text)


def test_names_of_commands():
    assert command_name(["rmtland"]) == "rmtland"
    assert command_name(["rmtland", "audit", "run.py:f"]) == "rmtland audit"
    assert command_name(["rmtland", "landscape", "noise", "--seed"]) == "rmtland landscape noise"


def test_the_folder_of_the_user_is_not_told(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    words = ["/home/ann/my x", "--out=/home/ann", "/home/anna/x", "/srv/home/ann", "a b", ""]
    shown = command_line(["rmtland", *words])
    assert shown == ("""rmtland "$HOME"'/my x' --out="$HOME" /home/anna/x /srv/home/ann 'a b' ''""")
    shell = ["sh", "-c", f"printf '%s|' {shown}"]
    again = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    assert again.split("|")[1:-1] == words
    monkeypatch.setenv("HOME", "/")
    assert command_line(["rmtland", "/a"]) == "rmtland /a"
