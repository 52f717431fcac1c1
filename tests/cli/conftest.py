"""The command line in this process: `rmtland(...)` gives exit code, output and files."""

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
