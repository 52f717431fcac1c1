"""The explorer in Chromium: sliders moved, values read, a file dropped and fitted, a phone."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import urlencode

import numpy as np
import pytest
from browser import browser

from rmtland import MarchenkoPastur, WishartPlusWigner
from rmtland.explorer import ExplorerServer, ExplorerState

pytest.importorskip("plotly")
MOVE = """
    const slider = document.getElementById(arguments[0]);
    slider.value = arguments[1];
    slider.dispatchEvent(new Event('input'));
"""
LET_GO = "document.getElementById(arguments[0]).dispatchEvent(new Event('change'));"
POINTS = """
    const found = document.getElementById(arguments[0]).data.map(
        (trace) => [trace.name, Array.from(trace.x), Array.from(trace.y)]);
    return JSON.stringify(found);
"""


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        opened.screen(1200, 900)
        yield opened


@pytest.fixture(scope="module")
def address():
    with ExplorerServer() as server:
        server.prepare()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.address
        server.shutdown()
        thread.join()


def opened(chrome, address, **state):
    chrome.open(f"{address}?{urlencode(state)}")
    chrome.wait("document.body.dataset.ready")


def text(chrome, selector):
    return chrome.run("return document.querySelector(arguments[0]).textContent", selector)


def number(chrome, name):
    return float(
        chrome.run("return document.getElementById('value-' + arguments[0]).textContent", name)
    )


def shared(chrome):
    return ExplorerState.from_query(chrome.run("return location.search.slice(1)"))


def after(chrome, script, *arguments, counter="moves"):
    """Run a script, and wait until the page has answered it."""
    count = f"Number(document.body.dataset.{counter} || 0)"
    before = chrome.run(f"return {count}")
    chrome.run(script, *arguments)
    chrome.wait(f"{count} > {before}")


def points(chrome, figure):
    return {
        name: (np.array(x, float), np.array(y, float))
        for name, x, y in json.loads(chrome.run(POINTS, figure))
    }


def test_sliders_move_the_law(chrome, address):
    opened(chrome, address)
    milliseconds = []
    for step in (100, 400, 420, 440, 900, 901, 1000, 0):
        after(chrome, MOVE, "phi", step)
        state = shared(chrome)
        assert state.phi == pytest.approx(0.01 * 1000 ** (step / 1000), rel=1e-3)
        assert number(chrome, "index") == pytest.approx(
            WishartPlusWigner(state.phi, 0.3).index(), abs=1e-9
        )
        milliseconds.append(float(chrome.run("return document.body.dataset.milliseconds")))
    after(chrome, MOVE, "energy", 600)
    after(chrome, MOVE, "sigma", 700)
    state = shared(chrome)
    law = WishartPlusWigner(state.phi, state.energy, state.sigma).law
    x, y = points(chrome, "density")["law"]
    np.testing.assert_allclose(y, law.pdf(x), rtol=1e-9, atol=1e-12)
    x, y = points(chrome, "cdf")["law"]
    np.testing.assert_allclose(y, law.cdf(x), atol=1e-9)
    x, y = points(chrome, "index")["here"]
    assert (x[0], y[0]) == (state.energy, pytest.approx(law.index(), abs=1e-12))
    assert np.median(milliseconds) < 400  # of a loaded machine; bench_explorer.py has the numbers
    assert chrome.complaints() == []


def test_the_address_is_shared(chrome, address):
    opened(
        chrome,
        address,
        law="wishart-relu",
        phi=2.5,
        energy=0.01,
        traces="activation",
        activation="gelu",
    )
    first = [text(chrome, "#numbers"), text(chrome, "#title")]
    assert first[1] == "Wishart + ReLU block law, phi = 2.5, energy = 0.01, gelu"
    link = chrome.run("return location.href")
    opened(chrome, address)
    assert text(chrome, "#title") != first[1]
    chrome.open(link)
    chrome.wait("document.body.dataset.ready")
    assert [text(chrome, "#numbers"), text(chrome, "#title")] == first
    assert chrome.run("return document.getElementById('traces').checked")


CONTROLS = """
    const ids = ['law', 'activation', 'sample', 'seed', 'phi-number', 'energy-number',
                 'sigma-number', 'width-number'];
    return [...ids.map((id) => document.getElementById(id).value),
            document.getElementById('traces').checked];
"""
CHOOSE = """
    const control = document.getElementById(arguments[0]);
    if (control.type === 'checkbox') { control.checked = arguments[1]; }
    else { control.value = arguments[1]; }
    control.dispatchEvent(new Event('change'));
"""


def test_every_control_is_in_the_address(chrome, address):
    """What was chosen, its address, and what another browser shows at that address agree."""
    opened(chrome, address)
    chosen = {
        "law": "wishart-relu",
        "activation": "gelu",
        "sample": "matrices",
        "seed": str(2**53 - 1),
        "phi-number": "0.12345678901234567",
        "energy-number": "1e-7",
        "sigma-number": "2.5",
        "width-number": "37",
    }
    for name, value in {**chosen, "traces": True}.items():
        after(chrome, CHOOSE, name, value, counter="settled")
    shown = [chrome.run(CONTROLS), text(chrome, "#numbers"), text(chrome, "#drawn")]
    assert [float(one) if one[0].isdigit() else one for one in shown[0][:-1]] == [
        float(one) if one[0].isdigit() else one for one in chosen.values()
    ]
    assert shared(chrome) == ExplorerState(
        law="wishart-relu",
        phi=0.12345678901234567,
        energy=1e-7,
        sigma=2.5,
        activation="gelu",
        traces="activation",
        sample="matrices",
        width=37,
        seed=2**53 - 1,
    )
    link = chrome.run("return location.href")
    opened(chrome, address)
    chrome.open(link)
    chrome.wait("document.body.dataset.ready")
    assert [chrome.run(CONTROLS), text(chrome, "#numbers"), text(chrome, "#drawn")] == shown
    assert chrome.complaints() == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("phi=-1", "phi must be"),
        ("x=1", "names 'x'"),
        (f"seed={2**53}", "seed must be at most"),
        ("law=<img src=x onerror=alert(1)>", "unknown law '<img"),
        ("<b>=1", "names '<b>'"),
    ],
)
def test_an_address_that_is_none(chrome, address, query, words):
    chrome.open(f"{address}?{query}")
    chrome.wait("document.body.dataset.ready")
    assert words in text(chrome, "#error")
    assert chrome.run("return document.querySelectorAll('#error *').length") == 0
    assert len(points(chrome, "density")["law"][0]) > 100
    chrome.complaints()


def test_a_law_that_fails_says_why(chrome, address):
    opened(chrome, address, law="semicircle", energy=0)
    for figure in ("density", "cdf"):
        assert "at energy 0 all residuals are 0" in text(chrome, f"#{figure}-reason")
        assert chrome.run(f"return document.getElementById('{figure}').hidden")
    assert not chrome.run("return document.getElementById('index').hidden")
    opened(chrome, address, law="marchenko-pastur")
    assert "has no energy" in text(chrome, "#index-reason")
    assert not chrome.run("return document.getElementById('density').hidden")


def test_spectra_are_laid_over(chrome, address):
    opened(chrome, address, sample="network", width=8, energy=0.1, traces="activation")
    assert "8 Hessians of a tanh network, 8 units a layer" in text(chrome, "#drawn")
    measured = number(chrome, "index, drawn")
    assert 0.05 < measured < 0.5
    assert points(chrome, "index")["drawn"][1] == [measured]
    after(chrome, MOVE, "energy", 900)
    assert "drawn" not in points(chrome, "density")  # what was drawn at another energy
    after(chrome, LET_GO, "energy", counter="settled")
    assert number(chrome, "index, drawn") != measured
    after(
        chrome,
        "const one = document.getElementById('width-number'); one.value = 100;"
        "one.dispatchEvent(new Event('change'));",
        counter="settled",
    )
    assert "Not drawn: a network of width 100 has 20000 parameters" in text(chrome, "#drawn")
    assert shared(chrome).width == 100


def test_a_file_is_dropped_and_fitted(chrome, address, tmp_path):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(300, 600))
    path = tmp_path / "mine <b>.npy"
    np.save(path, 3 * np.linalg.eigvalsh(matrix @ matrix.T / 600))
    opened(chrome, address, law="marchenko-pastur")
    count = chrome.run("return Number(document.body.dataset.settled)")
    chrome.press("#file", str(path))
    chrome.wait(f"Number(document.body.dataset.settled) > {count}")
    assert text(chrome, "#dropped") == "300 eigenvalues of mine <b>.npy"
    assert number(chrome, "Kolmogorov distance, file") > 0.3
    chrome.click("#fit")
    chrome.wait(
        "document.getElementById('dropped').textContent.includes('fitted:') "
        "&& document.getElementById('fit').disabled === false"
    )
    state = shared(chrome)
    assert state.sigma == pytest.approx(3, rel=0.02)
    assert state.phi == pytest.approx(0.5, rel=0.05)
    assert number(chrome, "Kolmogorov distance, file") < 0.01
    x, y = points(chrome, "density")["law"]
    np.testing.assert_allclose(y, MarchenkoPastur(state.phi, state.sigma).pdf(x), rtol=1e-9)
    assert {"file", "law"} <= set(points(chrome, "cdf"))
    after(chrome, MOVE, "sigma", 500)
    assert "Kolmogorov distance, file" not in text(chrome, "#numbers")  # from another law
    after(chrome, LET_GO, "sigma", counter="settled")
    assert number(chrome, "Kolmogorov distance, file") > 0.1
    hostile = tmp_path / "hostile.npy"
    np.save(hostile, np.array([{}], dtype=object), allow_pickle=True)
    chrome.press("#file", str(hostile))
    chrome.wait("document.getElementById('dropped').textContent.includes('Python objects')")
    assert chrome.run("return document.getElementById('fit').disabled")
    chrome.complaints()


LATE = """
    const ask = window.fetch, said = arguments[0];
    window.fetch = async (path, options) => {
      if (!path.startsWith(said)) { return ask(path, options); }
      window.fetch = ask;
      await new Promise((free) => { window.free = free; });
      const answer = await ask(path, options);
      setTimeout(() => { window.answered = true; }, 300);
      return answer;
    };
"""


@pytest.mark.parametrize("asked", ["eigenvalues?", "fit?"])
def test_the_file_chosen_last_is_shown(chrome, address, tmp_path, asked):
    """An answer about a file that comes after the next one was chosen is not shown as of that."""
    for name in ("first.txt", "second.txt"):
        np.savetxt(tmp_path / name, np.linspace(0.1, 4, 30 if name == "first.txt" else 50))
    opened(chrome, address, law="marchenko-pastur")
    if asked == "fit?":
        chrome.press("#file", str(tmp_path / "first.txt"))
        chrome.wait("!document.getElementById('fit').disabled")
    chrome.run(LATE, asked)
    if asked == "fit?":
        chrome.click("#fit")
    else:
        chrome.press("#file", str(tmp_path / "first.txt"))
    chrome.wait("Boolean(window.free)")
    chrome.press("#file", str(tmp_path / "second.txt"))
    second = "50 eigenvalues of second.txt"
    chrome.wait(f"document.getElementById('dropped').textContent === '{second}'")
    chrome.run("window.free()")
    chrome.wait("window.answered")
    assert text(chrome, "#dropped") == second
    assert not chrome.run("return document.getElementById('fit').disabled")
    chrome.complaints()


def test_on_a_phone(chrome, address):
    with contextlib.ExitStack() as stack:
        stack.callback(chrome.screen, 1200, 900)
        chrome.screen(360, 740, mobile=True)
        opened(chrome, address, sample="matrices", width=64)
        width = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
        assert chrome.run(f"return {width}") <= 360
        place = "document.getElementById('density').getBoundingClientRect()"
        assert chrome.run(f"return {place}.top") < 200
        chrome.run("document.getElementById('phi').scrollIntoView({ block: 'center' });")
        assert chrome.run(f"return {place}.top") >= 0  # it stays in view above its sliders
        label = chrome.run("return document.getElementById('density').getAttribute('aria-label')")
        assert label.startswith("Density of the Wishart + Wigner law, phi = 0.5")


def test_the_command_is_stopped(chrome, tmp_path):
    """Ctrl-C ends the process without a word of Python, and the page says that nobody answers."""
    written = tmp_path / "address.json"
    command = [
        sys.executable,
        "-m",
        "rmtland",
        "explore",
        "--no-browser",
        "--port",
        "0",
        "--json",
        str(written),
        "--state",
        "phi=0.75",
    ]
    # not beside a checkout: its kernels would be compiled, and not those of the installed package
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        end = time.monotonic() + 180
        while not written.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.05)
        chrome.open(json.loads(written.read_text("utf-8"))["address"])
        chrome.wait("document.body.dataset.ready", seconds=60)
        assert shared(chrome).phi == 0.75
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert out.splitlines()[-1] == "stopped"
    assert "Traceback" not in err
    chrome.run(MOVE, "phi", 200)
    chrome.wait("!document.getElementById('error').hidden")
    assert "still running" in text(chrome, "#error")
    chrome.complaints()
