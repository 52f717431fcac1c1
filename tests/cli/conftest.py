"""The command line in this process: `rmtland(...)` gives exit code, output and files."""

import importlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from rmtland.cli.app import main


@dataclass
class Result:
    code: int
    out: str
    err: str
    folder: Path

    @property
    def written(self):
        """Files in the folder that the command ran in."""
        paths = self.folder.rglob("*")
        return sorted(str(path.relative_to(self.folder)) for path in paths if path.is_file())

    def page(self, name):
        """Return a report that the command wrote: whole, small, with a figure and its command."""
        text = (self.folder / name).read_text("utf-8")
        assert text.endswith("</html>")
        assert len(text.encode()) < 3_000_000
        assert "<figure>" in text
        assert re.search(rf"<code>rmtland .*--html {name}.*</code>", text)
        return text


@pytest.fixture(autouse=True)
def pictures(request, monkeypatch):
    """Draw only where a test looks at the picture: that takes half of the time of a small run.

    In modules that name those tests in `LOOK_AT_PICTURES`.
    """
    looking = getattr(request.module, "LOOK_AT_PICTURES", None)
    if looking is None or request.node.originalname in looking:
        return
    module = importlib.import_module("rmtland.cli.output")

    def write_stub(figure, folder, name, *, dpi):
        with module.replaced(folder, name) as (stream, _):
            stream.write(b"not drawn")

    monkeypatch.setattr(module, "write_png", write_stub)


@pytest.fixture
def rmtland(monkeypatch, tmp_path, capsys):
    """Run a command in an empty folder, on a terminal of 80 columns."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rmtland", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return Result(stop.value.code, out, err, folder)

    return run
