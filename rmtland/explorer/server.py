"""The explorer as pages on the loopback address, with nothing from elsewhere.

The page and Plotly's script are served from here, so that no network is needed. Only requests that
name this server as their host are answered, and none that another site's page makes: a site cannot
read eigenvalues of the user's through the browser, by whatever name it reaches this machine. Files
are read as `rmtland.spectrum.eigenvalue_files` says, and kept in memory until the server stops.

==========================  ====================================================================
path                        answer
==========================  ====================================================================
``/``                       the page
``/setup``                  families, ranges of the sliders, activations
``/curves?STATE``           `rmtland.explorer.curves` of the state
``/sample?STATE``           `drawn` for the state, as an `ExplorerOverlay`
``/eigenvalues?name=FILE``  (POST) the file in the body, read: its number
``/overlay?file=N&STATE``   the file as an `ExplorerOverlay`
``/fit?file=N&STATE``       the state `fitted` to the file
==========================  ====================================================================

What cannot be answered is ``{"error": sentence}`` with a code from 400 on.

>>> with ExplorerServer(port=0, script=b"") as server:
...     server.address.startswith("http://127.0.0.1:")
True
"""

from __future__ import annotations

import json
import secrets
import socket
import socketserver
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from io import BytesIO
from urllib.parse import parse_qsl, urlencode, urlsplit

from rmtland.adapters.optional import optional
from rmtland.explorer.curves import curves, prepare_curves
from rmtland.explorer.families import FAMILIES, SLIDERS
from rmtland.explorer.overlays import drawn, fitted, overlay_of
from rmtland.explorer.state import SAMPLES, TRACES, ExplorerState
from rmtland.networks.activation import ACTIVATIONS
from rmtland.spectrum import Spectrum
from rmtland.spectrum.eigenvalue_files import spectrum_of_file
from rmtland.typing import Record

_Connection = socket.socket | tuple[bytes, socket.socket]

__all__ = ["ExplorerServer"]

LARGEST_UPLOAD = 2**25
"""Bytes of a file, and of what is compressed in it."""

_LOOPBACK = "127.0.0.1"
_KEPT = 8
_LONGEST_NAME = 255
_ENDINGS = (".npy", ".npz", ".csv", ".txt", ".dat")
_SECONDS = 30.0
_ONCE = ("Host", "Origin", "Sec-Fetch-Site", "Content-Length")
_PAGES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/explorer.css": ("explorer.css", "text/css; charset=utf-8"),
    "/explorer.js": ("explorer.js", "text/javascript; charset=utf-8"),
    "/plots.js": ("plots.js", "text/javascript; charset=utf-8"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class ExplorerServer(ThreadingHTTPServer):
    """The explorer on a port of the loopback address; it listens from the beginning.

    Parameters
    ----------
    port : int, optional
        The port; 0 takes a free one.
    script : bytes, optional
        Plotly's script; by default that of the installed package.

    Raises
    ------
    ImportError
        If Plotly is not installed; the message gives the command.
    OSError
        If the port is taken.
    ValueError
        If the port is not from 0 to 65535.
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, *, port: int = 0, script: bytes | None = None) -> None:
        if script is None:
            script = optional("plotly.offline", extra="explore").get_plotlyjs().encode()
        folder = files("rmtland.explorer") / "page"
        self.pages = {
            path: ((folder / name).read_bytes(), kind) for path, (name, kind) in _PAGES.items()
        }
        self.pages["/plotly.js"] = (script, "text/javascript; charset=utf-8")
        self._spectra: OrderedDict[str, Spectrum] = OrderedDict()
        self._kept = threading.Lock()
        self.busy = threading.Lock()
        try:
            super().__init__((_LOOPBACK, port), _Request)
        except OSError as error:
            raise OSError(
                f"port {port} cannot be listened on ({error.strerror or error}); choose another, "
                "or 0 for any that is free"
            ) from error
        except OverflowError:
            raise ValueError(f"port must be from 0 to 65535; got {port}") from None

    def server_bind(self) -> None:
        """Bind; the name of the machine is not looked up, which may ask a network."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = _LOOPBACK, self.server_address[1]

    def handle_error(self, request: _Connection, client_address: object) -> None:
        """Say nothing of a browser that went away; anything else is a defect.

        Parameters
        ----------
        request, client_address : object
            Of the connection.
        """
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """The address of the page, without a state."""
        return f"http://{_LOOPBACK}:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What requests may call this server."""
        return tuple(f"{name}:{self.server_port}" for name in (_LOOPBACK, "localhost"))

    def prepare(self) -> None:
        """Compute every family, so that the first move of a slider finds all compiled."""
        prepare_curves()

    def keep(self, spectrum: Spectrum) -> str:
        """Keep a spectrum, and return the name it goes by; only the last eight are kept.

        Parameters
        ----------
        spectrum : Spectrum
            What was read from a file.

        Returns
        -------
        str
            A name that cannot be guessed.
        """
        name = secrets.token_urlsafe(12)
        with self._kept:
            self._spectra[name] = spectrum
            while len(self._spectra) > _KEPT:
                self._spectra.popitem(last=False)
        return name

    def kept(self, name: str) -> Spectrum:
        """Return a spectrum that is kept.

        Parameters
        ----------
        name : str
            What `keep` returned.

        Returns
        -------
        Spectrum
            The spectrum.

        Raises
        ------
        ValueError
            If it is not, or no longer, there.
        """
        with self._kept:
            found = self._spectra.get(name)
        if found is None:
            raise ValueError("this file is no longer here; please drop it again")
        return found


class _Refused(Exception):
    """A request that is not answered, with its code."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class _Request(BaseHTTPRequestHandler):
    """One connection of a browser."""

    protocol_version = "HTTP/1.1"
    timeout = _SECONDS
    server: ExplorerServer

    def do_GET(self) -> None:
        self._answer(
            {
                "/setup": self._setup,
                "/curves": self._curves,
                "/sample": self._sample,
                "/overlay": self._overlay,
                "/fit": self._fit,
            },
            self.server.pages,
        )

    def do_POST(self) -> None:
        self._answer({"/eigenvalues": self._eigenvalues}, {})

    def log_message(self, format: str, *args: object) -> None:
        pass

    def version_string(self) -> str:
        return "rmtland"

    def _answer(
        self, answers: dict[str, Callable[[dict[str, str]], object]], pages: Record
    ) -> None:
        try:
            path, query = self._asked()
            self._check_sender(page=path in pages)
            if path in pages:
                self._send(200, *pages[path])
                return
            if path not in answers:
                raise _Refused(404, "there is no such page")
            values = dict(parse_qsl(query, keep_blank_values=True))
            if len(values) < len(parse_qsl(query, keep_blank_values=True)):
                raise _Refused(400, "the address names something twice")
            self._send_json(200, answers[path](values))
        except _Refused as refusal:
            self.close_connection = True  # what was sent with it may not have been read
            self._send_json(refusal.code, {"error": str(refusal)})
        except (ValueError, TypeError, ArithmeticError, MemoryError) as error:
            sentence = " ".join(str(error).split()) or "there is not enough memory for that"
            self._send_json(422, {"error": sentence})

    def _asked(self) -> tuple[str, str]:
        """Return path and query of the address."""
        try:
            parts = urlsplit(self.path)
        except ValueError:
            raise _Refused(400, "this is no address") from None
        return parts.path, parts.query

    def _check_sender(self, *, page: bool) -> None:
        """Refuse other names of this machine, and other sites; a link to the page is no harm."""
        hosts = self.server.hosts
        if any(len(self.headers.get_all(name, [])) > 1 for name in _ONCE):
            raise _Refused(400, f"each of {', '.join(_ONCE)} can be said once")
        if self.headers.get("Host") not in hosts:
            raise _Refused(403, f"this server is called {hosts[0]}")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in hosts}:
            raise _Refused(403, "pages of other sites are not answered")
        own = self.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
        if not (own or page):
            raise _Refused(403, "pages of other sites are not answered")

    def _send_json(self, code: int, values: object) -> None:
        self._send(code, json.dumps(values, allow_nan=False).encode(), "application/json")

    def _send(self, code: int, content: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    # Answers -------------------------------------------------------------------------------------

    def _setup(self, values: dict[str, str]) -> Record:
        return {
            "families": {
                name: {"title": family.title, "parameters": list(family.parameters)}
                for name, family in FAMILIES.items()
            },
            "sliders": {name: slider._asdict() for name, slider in SLIDERS.items()},
            "activations": list(ACTIVATIONS),
            "traces": list(TRACES),
            "samples": list(SAMPLES),
            "largest": LARGEST_UPLOAD,
        }

    def _curves(self, values: dict[str, str]) -> Record:
        state = _state(values)
        return {"state": asdict(state), "query": state.query, **curves(state).to_dict()}

    def _sample(self, values: dict[str, str]) -> Record:
        state = _state(values)
        with self.server.busy:  # one matrix at a time has the memory
            return overlay_of(state, drawn(state)).to_dict()

    def _overlay(self, values: dict[str, str]) -> Record:
        spectrum = self.server.kept(values.pop("file", ""))
        return overlay_of(_state(values), spectrum).to_dict()

    def _fit(self, values: dict[str, str]) -> Record:
        spectrum = self.server.kept(values.pop("file", ""))
        with self.server.busy:
            found = fitted(_state(values), spectrum)
        return {"query": found.state.query, "words": found.words}

    def _eigenvalues(self, values: dict[str, str]) -> Record:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            raise _Refused(411, "a file must say how long it is")
        if int(length) > LARGEST_UPLOAD:
            raise _Refused(
                413,
                f"the file has {length} bytes; at most {LARGEST_UPLOAD} are read here: take "
                "rmtland overlay --eigenvalues",
            )
        content = self.rfile.read(int(length))
        if len(content) < int(length):
            raise _Refused(400, "the file ended before it was whole")
        name = "".join(c for c in values.get("name", "") if c.isprintable())[:_LONGEST_NAME]
        if not name.lower().endswith(_ENDINGS):
            raise ValueError(f"the file must be called {', '.join(_ENDINGS)}; got {name!r}")
        with self.server.busy:
            spectrum = spectrum_of_file(BytesIO(content), name, largest=LARGEST_UPLOAD)
        return {"file": self.server.keep(spectrum), "name": name, "count": spectrum.nodes.size}


def _state(values: dict[str, str]) -> ExplorerState:
    return ExplorerState.from_query(urlencode(values))
