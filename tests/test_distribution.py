"""Wheel and sdist hold what they should; the wheel runs, and shows its types to type checkers."""

import email
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
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


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """Python of an environment that holds the wheel, and the packages of this one beside it."""
    folder = tmp_path_factory.mktemp("installed") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("[Ll]ib/**/site-packages")
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    (site / "beside.pth").write_text(f"{Path(np.__file__).parent.parent}\n")
    (python,) = (one for one in folder.glob("*/python*") if one.stem == "python")
    return python


def run(*command, folder, **settings):
    """Run a program where nothing of the checkout is found, with the settings of a user."""
    hidden = ("PYTHONPATH", "MYPYPATH", "COLUMNS", "RMTLAND_KERNELS")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= settings
    return subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True
    )


def tracked(*folders):
    """Return the files of the checkout that git knows; none where it is no repository."""
    command = ["git", "ls-files", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return set(done.stdout.split("\n")) - {""}


def test_the_wheel_holds_the_package_only(built):
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    package = {name for name in names if name.startswith("rmtland/")}
    assert {"rmtland/py.typed", "rmtland/__init__.py", "rmtland/__init__.pyi"} <= package
    assert {f"rmtland/report/page.{kind}" for kind in ("html", "css", "js")} <= package
    assert any(name.startswith("rmtland/laws/") and name.endswith(".npz") for name in package)
    assert {f"rmtland/ensembles/device/{name}.cu" for name in ("philox", "sturm")} <= package
    rest = {name.split("/")[0] for name in names} - {"rmtland"}
    assert len(rest) == 1
    assert rest.pop().endswith(".dist-info")
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "rmtland").rglob("*.py")}
    assert sources | tracked("rmtland") <= package
    assert not [name for name in package if name.endswith((".pyc", ".orig", "~"))]


def test_the_wheel_says_what_it_is(built):
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"rmtland-{PROJECT['version']}-py3-none-any.whl"
    archive = zipfile.ZipFile(wheel)
    (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    about = email.message_from_bytes(archive.read(f"{folder}/METADATA"))
    assert (about["Name"], about["Version"]) == ("rmtland", PROJECT["version"])
    assert about["Requires-Python"] == PROJECT["requires-python"]
    assert about["License-Expression"] == PROJECT["license"]
    assert set(about.get_all("Classifier")) == set(PROJECT["classifiers"])
    assert set(about.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    plain = [one for one in about.get_all("Requires-Dist") if "extra ==" not in one]
    assert len(plain) == len(PROJECT["dependencies"])
    assert about.get_payload().startswith("# rmtland")
    assert f"{folder}/licenses/LICENSE" in archive.namelist()
    scripts = archive.read(f"{folder}/entry_points.txt").decode()
    assert "rmtland = rmtland.__main__:main" in scripts


def test_the_sdist_holds_what_its_tests_need(built):
    (sdist,) = built.glob("*.tar.gz")
    assert sdist.stat().st_size < 20_000_000
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"README.md", "LICENSE", "CITATION.cff", "CHANGELOG.md", "docs/conf.py"} <= names
    assert {"CONTRIBUTING.md", "recipe/recipe.yaml", ".ci/run", "pyproject.toml"} <= names
    assert tracked("tests", "scripts", "figures", "docs", "recipe", ".github") <= names
    assert {"tests/conftest.py", "figures/overlay.png"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith("docs/_build")]


def test_the_wheel_runs_where_there_is_no_checkout(installed, tmp_path):
    done = run(installed, "-m", "rmtland", "--version", folder=tmp_path)
    assert (done.stdout, done.stderr) == (f"rmtland {PROJECT['version']}\n", "")
    law = ("spectrum", "wishart-wigner", "--phi", "0.5", "--epsilon", "0.3")
    done = run(installed, "-m", "rmtland", *law, "--plot", "--html", "law.html", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.205280313061948" in (tmp_path / "law.html").read_text("utf-8")
    place = "import rmtland; print(rmtland.__file__, rmtland.__version__)"
    done = run(installed, "-c", place, folder=tmp_path)
    home, number = done.stdout.split()
    assert Path(home).is_relative_to(installed.parent.parent)
    assert number == PROJECT["version"]


@pytest.fixture
def program(tmp_path):
    return shutil.copy(ROOT / "tests" / "user_program.py", tmp_path / "user_program.py")


def test_a_program_of_a_user_runs(installed, program, tmp_path):
    # its kernels are those that other tests compile, of an installed package too
    done = run(installed, program, folder=tmp_path, RMTLAND_KERNELS="interpreted")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(PROJECT["version"])


def test_mypy_sees_the_types(installed, program, tmp_path):
    settings = ("--config-file", ROOT / "pyproject.toml")  # strict; what is read once is kept
    check = (sys.executable, "-m", "mypy", "--python-executable", installed, *settings)
    kept = Path(os.environ.get("RMTLAND_MYPY_CACHE", "none"))  # of the same sources: by their hash
    if kept.is_dir():
        shutil.copytree(kept, tmp_path / ".mypy_cache")
    done = run(*check, program, folder=tmp_path)
    assert done.stdout == "Success: no issues found in 1 source file\n"
    (marker,) = installed.parent.parent.glob("**/rmtland/py.typed")
    beside = marker.parent.parent / "beside.pth"  # where there may be another rmtland, with types
    aside = [path.rename(path.with_suffix(".aside")) for path in (marker, beside)]
    try:
        done = run(*check, program, folder=tmp_path)
    finally:
        for path, name in zip(aside, (marker, beside), strict=True):
            path.rename(name)
    assert "missing library stubs or py.typed marker" in done.stdout


def test_pyright_sees_the_types(installed, program, tmp_path):
    """In a user's program, strictly; the README's code as an editor would underline it."""
    pyright = Path(sys.executable).with_name("pyright")
    if not pyright.exists():
        pytest.skip("needs pyright")
    readme = re.findall(r"```python\n(.+?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(readme) >= 3
    for number, code in enumerate(readme):
        (tmp_path / f"readme_{number}.py").write_text(code, "utf-8")
    settings = {"strict": [program.name], "reportUnnecessaryTypeIgnoreComment": True}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = run(pyright, "--pythonpath", installed, folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "0 errors, 0 warnings, 0 informations\n")
