"""Chromium without a window, driven over the WebDriver protocol: pages opened, clicked, looked at.

Nothing beyond `chromium` and `chromedriver` is needed; where they are missing, tests are skipped.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-extensions",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def chromium():
    """Return the browser's and the driver's program; skip the test where one is missing."""
    found = [
        next(filter(None, map(shutil.which, names)), None)
        for names in (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",))
    ]
    if None in found:
        pytest.skip("needs chromium and chromedriver")
    return found


class Browser:
    """A browser; names other than this machine's lead nowhere."""

    def __init__(self, base, session):
        self._base, self.session = base, session

    def call(self, path, body=None, *, method="POST"):
        """Call the driver and return its value."""
        return _call(f"{self._base}/session/{self.session}/{path}", body, method=method)

    def open(self, address):
        self.call("url", {"url": address})

    def run(self, script, *arguments):
        """Run JavaScript; `return` gives its value."""
        return self.call("execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, condition, *, seconds=20.0):
        """Wait until an expression of JavaScript is true; return its value."""
        end = time.monotonic() + seconds
        while not (value := self.run(f"return {condition}")):
            assert time.monotonic() < end, f"never true: {condition}"
            time.sleep(0.02)
        return value

    def click(self, selector):
        """Click an element as a person does."""
        found = self.call("element", {"using": "css selector", "value": selector})
        self.call(f"element/{found[ELEMENT]}/click", {})

    def press(self, selector, keys):
        """Send keys to an element."""
        found = self.call("element", {"using": "css selector", "value": selector})
        self.call(f"element/{found[ELEMENT]}/value", {"text": keys})

    def screen(self, width, height, *, mobile=False, dark=False):
        """Be a screen of so many pixels, of a phone or not, light or dark."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.develop("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.develop("Emulation.setEmulatedMedia", {"features": [scheme]})

    def develop(self, command, parameters):
        """Send a command of the DevTools protocol."""
        return self.call("goog/cdp/execute", {"cmd": command, "params": parameters})

    def complaints(self):
        """Return the errors that the page wrote to its console since it was asked last."""
        lines = self.call("se/log", {"type": "browser"})
        return [line["message"] for line in lines if line["level"] == "SEVERE"]

    def picture(self, path):
        """Write what the screen shows as a PNG."""
        path.write_bytes(base64.b64decode(self.call("screenshot", method="GET")))


def _call(address, body=None, *, method="POST"):
    data = None if method == "GET" else json.dumps(body or {}).encode()
    request = urllib.request.Request(address, data=data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        with error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None


@contextlib.contextmanager
def browser(folder):
    """Start a browser whose profile and downloads lie in a folder."""
    program, driver = chromium()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [driver, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    base = f"http://127.0.0.1:{port}"
    options = {
        "binary": program,
        "args": [*SWITCHES, f"--user-data-dir={folder / 'profile'}"],
        "prefs": {"download.default_directory": str(folder / "downloads")},
    }
    capabilities = {
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "ALL"},
    }
    made = None
    try:
        for _ in range(500):
            assert process.poll() is None, "chromedriver ended"
            with contextlib.suppress(OSError):
                _call(f"{base}/status", method="GET")
                break
            time.sleep(0.02)
        session = _call(f"{base}/session", {"capabilities": {"alwaysMatch": capabilities}})
        made = Browser(base, session["sessionId"])
        yield made
    finally:
        if made is not None:
            with contextlib.suppress(OSError):
                _call(f"{base}/session/{made.session}", method="DELETE")
        process.terminate()
        process.wait(timeout=30)
