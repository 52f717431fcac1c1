"""The wheel holds the package and nothing else; the sdist holds what its own tests need."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    return folder


def test_the_wheel_holds_the_package_only(built):
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    package = {name for name in names if name.startswith("rmtland/")}
    assert {"rmtland/py.typed", "rmtland/__init__.py"} <= package
    assert any(name.startswith("rmtland/laws/") and name.endswith(".npz") for name in package)
    rest = {name.split("/")[0] for name in names} - {"rmtland"}
    assert len(rest) == 1
    assert rest.pop().endswith(".dist-info")
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "rmtland").rglob("*.py")}
    assert sources <= package


def test_the_sdist_holds_what_its_tests_need(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md", "docs/conf.py"} <= names
    for folder in ("tests", "scripts", "figures", "docs"):
        kept = subprocess.run(
            ["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.split()
        assert set(kept) <= names
    assert {"tests/conftest.py", "figures/overlay.png"} <= names
