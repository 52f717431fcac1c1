"""The server: loopback only, its own host and origin only; hostile files, nothing from afar."""

import http.client
import io
import json
import re
import socket
import sys
import threading
import time
import zipfile

import numpy as np
import pytest

from rmtland.explorer import ExplorerServer, server as module

VALUES = b"0.5\n1.5\n2.5\n"


@pytest.fixture(scope="module")
def server():
    with ExplorerServer(script=b"var Plotly;") as opened:
        thread = threading.Thread(target=opened.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield opened
        opened.shutdown()
        thread.join()


def ask(server, path, *, method="GET", body=None, headers=()):
    """Return the code, the headers and the content of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True)
        given = {"Host": f"127.0.0.1:{server.server_port}", **dict(headers)}
        if body is not None:
            given.setdefault("Content-Length", str(len(body)))
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    kind = answer.headers.get_content_type()
    return answer.status, answer.headers, json.loads(content) if "json" in kind else content


def send(server, content, name="values.txt", **more):
    return ask(server, f"/eigenvalues?name={name}", method="POST", body=content, **more)


def test_it_listens_on_the_loopback_address_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    names = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    for address in {info[4][0] for info in names} - {"127.0.0.1"}:
        with pytest.raises(OSError, match=r"refused|unreachable|timed"):
            socket.create_connection((address, server.server_port), timeout=2)


def test_pages_come_from_here_alone(server):
    for path in ("/", "/explorer.js", "/explorer.css", "/plots.js", "/plotly.js"):
        code, headers, content = ask(server, path)
        assert code == 200
        assert content
        assert b"//" not in re.sub(rb"^\s*//.*$|  // .*$", b"", content, flags=re.MULTILINE)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Server"] == "rmtland"
    text = ask(server, "/")[2].decode()
    assert 'name="viewport"' in text
    assert not re.search(r"<script>|onclick=|style=", text)


def test_every_control_has_a_label(server):
    text = ask(server, "/")[2].decode()
    names = re.findall(r'<(?:select|input)[^>]* id="(\w+)"', text)
    assert len(names) >= 5
    for name in names:
        assert f'for="{name}"' in text or re.search(rf'<label[^>]*><input[^>]* id="{name}"', text)
    assert text.count('role="img"') == text.count("<figure>") == 3


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": None},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_other_sites_are_refused(server, headers):
    for path, method in (("/curves", "GET"), ("/eigenvalues?name=a.txt", "POST")):
        body = VALUES if method == "POST" else None
        code, _, content = ask(server, path, method=method, body=body, headers=headers)
        assert code == 403
        assert content["error"]
    linked = ask(server, "/?phi=1", headers={"Sec-Fetch-Site": "cross-site"})
    assert linked[0] == 200  # a link in a letter opens the page
    own = {
        "Host": f"localhost:{server.server_port}",
        "Origin": f"http://localhost:{server.server_port}",
    }
    assert ask(server, "/setup", headers=own)[0] == 200


@pytest.mark.parametrize("name", ["Host", "Origin", "Sec-Fetch-Site", "Content-Length"])
def test_what_is_said_twice_is_refused(server, name):
    own = {
        "Host": f"127.0.0.1:{server.server_port}",
        "Sec-Fetch-Site": "same-origin",
        "Origin": f"http://127.0.0.1:{server.server_port}",
        "Content-Length": "3",
    }
    twice = {name.lower(): own[name]}  # of another spelling, the same value
    for more, code in (({}, 200), (twice, 400)):
        assert send(server, b"1 2", headers={**own, **more})[0] == code


def test_curves_and_their_state(server):
    code, _, found = ask(server, "/curves?phi=0.25&law=semicircle")
    assert code == 200
    assert (found["state"]["phi"], found["state"]["energy"]) == (0.25, 0.3)
    assert found["query"].startswith("law=semicircle&phi=0.25&energy=0.3")
    assert len(found["density"]["x"]) > 100
    assert set(found["state"]) == {pair.split("=")[0] for pair in found["query"].split("&")}


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/curves?phi=-1", 422, "phi must be"),
        ("/curves?phi=1&phi=2", 400, "twice"),
        ("/curves?x=1", 422, "names 'x'"),
        ("/sample", 422, "nothing is to be drawn"),
        ("/overlay?file=nothing", 422, "drop it again"),
        ("/fit", 422, "drop it again"),
        ("/../../etc/passwd", 404, "no such page"),
        ("/index.html", 404, "no such page"),
        ("/page/explorer.js", 404, "no such page"),
        ("/eigenvalues", 404, "no such page"),
    ],
)
def test_what_is_refused(server, path, code, words):
    found = ask(server, path)
    assert found[0] == code
    assert words in found[2]["error"]


def test_a_file_is_read_shown_and_fitted(server):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(60, 120))
    values = np.linalg.eigvalsh(matrix @ matrix.T / 120)
    stream = io.BytesIO()
    np.save(stream, values)
    code, _, read = send(server, stream.getvalue(), "a%20b.npy")
    assert (code, read["count"], read["name"]) == (200, 60, "a b.npy")
    law = "law=marchenko-pastur&phi=1"
    overlay = ask(server, f"/overlay?file={read['file']}&{law}")[2]
    assert overlay["words"] == "a b.npy"
    fit = ask(server, f"/fit?file={read['file']}&{law}")[2]
    better = ask(server, f"/overlay?file={read['file']}&{fit['query']}")[2]
    assert better["kolmogorov"] < 0.05 < overlay["kolmogorov"]
    for _ in range(8):  # the oldest of nine is gone
        assert send(server, VALUES)[0] == 200
    assert ask(server, f"/overlay?file={read['file']}")[0] == 422


def bomb():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a.npy", bytes(2**25 + 1))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "a.txt", "no numbers"),
        (b"1 2 nan", "a.csv", "finite|NaN"),
        (b"\x80\x04.", "a.npy", "no array of numbers"),
        (b"\x00\xff", "a.txt", "no text of numbers"),
        (VALUES, "a.pkl", "must be called"),
        (VALUES, "", "must be called"),
        (VALUES, "../../a", "must be called"),
        (VALUES, "a.npz", "no file of arrays"),
        (bomb(), "a.npz", "more than the 33554432 allowed"),
    ],
)
def test_hostile_files(server, content, name, words):
    code, _, found = send(server, content, name)
    assert code == 422
    assert re.search(words, found["error"])


def test_hostile_requests(server):
    for length, code in ((str(2**25 + 1), 413), ("-1", 411), ("x", 411), ("٣", 411), (None, 411)):
        headers = {"Content-Length": length and length.encode().decode("latin-1")}
        found = ask(server, "/eigenvalues?name=a.txt", method="POST", headers=headers)
        assert found[0] == code
    chunked = {"Transfer-Encoding": "chunked"}
    assert send(server, VALUES, headers=chunked)[0] == 411
    assert ask(server, "/", method="DELETE")[0] == 501
    for address in ("http://[x", "http://[::1"):
        assert ask(server, address)[0] == 400
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as one:
        one.sendall(
            b"POST /eigenvalues?name=a.txt HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
            b"Content-Length: 9\r\n\r\n1" % server.server_port
        )
        one.shutdown(socket.SHUT_WR)
        assert b"400" in one.recv(4096).partition(b"\r\n")[0]
    assert ask(server, "/setup")[0] == 200  # it is still there


def test_who_sends_nothing_does_not_stop_others(server, monkeypatch):
    monkeypatch.setattr(module._Request, "timeout", 0.2)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as silent:
        assert ask(server, "/setup")[0] == 200
        start = time.monotonic()
        assert silent.recv(1) == b""  # it is sent away
        assert time.monotonic() - start < 4


def test_a_port_that_is_taken(server):
    with pytest.raises(OSError, match=f"port {server.server_port} cannot be listened on"):
        ExplorerServer(port=server.server_port, script=b"")
    with pytest.raises(ValueError, match="from 0 to 65535; got 70000"):
        ExplorerServer(port=70000, script=b"")


def test_without_plotly(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ImportError, match=r"pip install 'rmtland\[explore\]'"):
        ExplorerServer()
