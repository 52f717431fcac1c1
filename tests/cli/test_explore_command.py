"""`rmtland explore`: says where the page is, refuses what it cannot show, stops at Ctrl-C."""

import json
import sys
import webbrowser

import pytest

from rmtland.explorer import ExplorerServer


@pytest.fixture
def quick(monkeypatch):
    """A server that compiles nothing, and is interrupted at once."""
    pytest.importorskip("plotly")
    opened = []
    monkeypatch.setattr(ExplorerServer, "prepare", lambda server: None)
    monkeypatch.setattr(ExplorerServer, "serve_forever", _interrupted)
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    return opened


def _interrupted(server):
    raise KeyboardInterrupt


def test_it_opens_a_browser_and_stops(rmtland, quick):
    result = rmtland("explore", "--port", "0", "--state", "?law=semicircle&energy=0.1")
    assert result.code == 0
    (address,) = quick
    assert address.startswith("http://127.0.0.1:")
    assert "law=semicircle&phi=0.5&energy=0.1" in address
    assert f"the explorer is at {address}" in result.out
    assert result.out.endswith("stopped\n")
    assert not result.written


def test_machines_read_the_address(rmtland, quick):
    result = rmtland("explore", "--no-browser", "--port", "0", "--json", "-")
    found = json.loads(result.out)
    assert found["address"].startswith(f"http://127.0.0.1:{found['port']}/?law=wishart-wigner")
    assert not quick


def test_no_browser_is_found(rmtland, quick, monkeypatch):
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    assert "open the address in one" in rmtland("explore", "--port", "0").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--state", "phi=-1"), "phi must be a positive finite number; got -1.0"),
        (("--state", "foo=1"), "names 'foo'"),
        (("--port", "70000"), "port must be from 0 to 65535; got 70000"),
        (("--port", "-1"), "port must be from 0 to 65535; got -1"),
    ],
)
def test_refused(rmtland, quick, arguments, words):
    result = rmtland("explore", "--no-browser", *arguments)
    assert result.code == 2
    assert words in result.err
    assert len(result.err.splitlines()) == 1


def test_a_port_that_is_taken(rmtland, quick):
    with ExplorerServer(script=b"") as other:
        result = rmtland("explore", "--no-browser", "--port", other.server_port)
    assert result.code == 2
    assert f"port {other.server_port} cannot be listened on" in result.err


def test_without_plotly(rmtland, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    result = rmtland("explore", "--no-browser")
    assert result.code == 2
    assert result.err == (
        "rmtland: error: plotly is not installed; install it with: pip install 'rmtland[explore]'\n"
    )
