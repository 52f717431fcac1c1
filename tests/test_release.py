"""What a release needs: versions in step, citation, recipe, forms of issues, old names listed."""

import ast
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import rmtland

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"
CONFTEST = (ROOT / "tests" / "conftest.py").read_text("utf-8")

# Keys that version 1.2.0 of the Citation File Format demands and knows
REQUIRED = {"authors", "cff-version", "message", "title"}
KNOWN = REQUIRED | {
    "abstract",
    "commit",
    "contact",
    "date-released",
    "doi",
    "identifiers",
    "keywords",
    "license",
    "license-url",
    "preferred-citation",
    "references",
    "repository",
    "repository-artifact",
    "repository-code",
    "type",
    "url",
    "version",
}
WORK = {"authors", "title", "type"}
PERSON = {"family-names", "given-names", "name-particle", "name-suffix", "alias", "orcid"}


def read(name):
    """Return a file of YAML with every value as it is written."""
    return yaml.load((ROOT / name).read_text("utf-8"), yaml.BaseLoader)


def test_one_version_everywhere():
    """A test of what is installed too: `pip install -e .` again where this fails."""
    number = PROJECT["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", number)
    assert rmtland.__version__ == version("rmtland") == number
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## (\S+) \(([^)]+)\)$", changelog, re.MULTILINE)
    assert headings[0][0] == number
    for _, date in headings:
        assert re.fullmatch(r"unreleased|\d{4}-\d\d-\d\d", date)
    latest = changelog.split("\n## ")[1]
    groups = re.findall(r"^### (\w+)", latest, re.MULTILINE)
    assert groups == [one for one in ("Added", "Changed", "Fixed", "Deprecated") if one in groups]
    assert not re.search(r"^- ", latest.partition("\n### ")[0], re.MULTILINE)  # all in a group
    assert read("recipe/recipe.yaml")["context"]["version"] == number
    citation = read("CITATION.cff")
    assert citation["version"] == citation["preferred-citation"]["version"] == number


def test_the_citation_has_what_the_format_demands():
    citation = read("CITATION.cff")
    assert set(citation) >= REQUIRED
    assert set(citation) <= KNOWN
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] in ("software", "dataset")
    heading = re.search(
        r"^## \S+ \((.+)\)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert citation.get("date-released", "unreleased") == heading[1]  # the day, or none before it
    assert citation["license"] == PROJECT["license"]
    works = [citation["preferred-citation"], *citation["references"]]
    for work in works:
        assert set(work) >= WORK
        assert re.fullmatch(r"\d{4}", work["year"])
        assert work["type"] in ("software", "conference-paper", "article", "book")
        for author in work["authors"]:
            assert set(author) == {"name"} or set(author) <= PERSON
        if "conference" in work:
            assert work["conference"]["name"]
    preferred = works[0]
    assert (preferred["type"], preferred["title"]) == ("software", citation["title"])
    assert preferred["authors"] == citation["authors"]
    assert citation.get("date-released", preferred["year"])[:4] == preferred["year"]


CONDA = {"matplotlib": "matplotlib-base", "lazy_loader": "lazy-loader"}


def test_the_recipe_asks_for_what_the_project_asks_for():
    recipe = read("recipe/recipe.yaml")
    wanted = [re.match(r"([\w.-]+)(.*)", one).groups() for one in PROJECT["dependencies"]]
    run = [f"{CONDA.get(name, name)} {bounds}" for name, bounds in wanted]
    python = recipe["context"]["python_min"]
    assert PROJECT["requires-python"] == f">={python}"
    assert recipe["requirements"]["run"] == ["python >=${{ python_min }}", *run]
    assert recipe["requirements"]["host"] == ["python ${{ python_min }}.*", "pip", "hatchling"]
    scripts = [f"{name} = {home}" for name, home in PROJECT["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    assert recipe["build"]["noarch"] == "python"
    assert recipe["about"]["license"] == PROJECT["license"]
    assert recipe["about"]["summary"] in PROJECT["description"]
    assert (ROOT / recipe["about"]["license_file"]).is_file()
    assert "${{ version }}" in recipe["source"]["url"]
    assert re.fullmatch("[0-9a-f]{64}", recipe["source"]["sha256"])


SECTIONS = ["schema_version", "context", "package", "source", "build"]
SECTIONS += ["requirements", "tests", "about", "extra"]
PIN = re.compile(r"[a-z0-9_.-]+( [<>=!][^ ]*| [^<>=! ][^ ]*)?")


def lints(recipe, text):
    """Return what the linter of conda-forge says of a recipe for one noarch package of Python.

    Its rules by number, as https://conda-forge.org/docs/maintainer/linter/ lists them.
    """
    about, needs, tests = recipe["about"], recipe["requirements"], recipe["tests"]
    runs = [one for section in ("host", "run") for one in needs[section]]
    plain = [one.replace("${{ python_min }}", "3.11") for one in runs]
    rules = {
        "R-000, R-001": list(recipe) == [one for one in SECTIONS if one in recipe],
        "R-002": all(about.get(name) for name in ("homepage", "license", "summary")),
        "R-003": bool(recipe["extra"]["recipe-maintainers"]),
        "R-005": bool(tests),
        "R-007, R-010": not re.search("unknown|license", about["license"], re.IGNORECASE),
        "R-008": recipe["build"].get("number") is not None,
        "R-009": list(needs) == [one for one in ("build", "host", "run") if one in needs],
        "R-011, R-012": text.endswith("\n") and not text.endswith("\n\n"),
        "R-013": bool(about.get("license_file")),
        "R-014": re.fullmatch(r"[a-z0-9_.-]+", recipe["package"]["name"]) is not None,
        "R-019": bool(recipe["source"]["sha256"].strip("0")),
        "R-021, R-022, R-048": all(PIN.fullmatch(one) for one in plain),
        "R-025": not re.search(r"\$\{\{\S|\S\}\}", text),
        "R-026, R-047": "python >=${{ python_min }}" in needs["run"]
        and "python ${{ python_min }}.*" in needs["host"]
        and any(
            one.get("python", {}).get("python_version") == "${{ python_min }}.*" for one in tests
        ),
        "R-046": "hatchling" in needs["host"],
        "R-050": "-m pip install" in recipe["build"]["script"],
        "R-051": recipe["source"]["url"].startswith("https://pypi.org/"),
    }
    return {name for name, kept in rules.items() if not kept}


def test_the_linter_of_conda_forge_misses_what_a_release_fills_in():
    """The hash of an sdist that is not there yet, and who keeps the package: docs/release.md."""
    text = (ROOT / "recipe" / "recipe.yaml").read_text("utf-8")
    recipe = read("recipe/recipe.yaml")
    missing = lints(recipe, text)
    assert missing <= {"R-003", "R-019"}
    assert lints({**recipe, "about": {"license": "BSD", "summary": "s"}}, text) - missing == {
        "R-002",
        "R-013",
    }
    page = (ROOT / "docs" / "release.md").read_text("utf-8")
    assert "SHA-256" in page
    assert "maintainers" in page


def test_every_extra_stands_on_the_page_of_installation():
    named = re.findall(r"'\.\[([a-z0-9,]+)\]'", (ROOT / "docs" / "install.md").read_text("utf-8"))
    assert {one for extras in named for one in extras.split(",")} == set(
        PROJECT["optional-dependencies"]
    )


def test_the_versions_of_python_are_those_of_the_classifiers():
    listed = [one.rsplit(" ", 1)[1] for one in PROJECT["classifiers"] if "Python :: 3." in one]
    assert f">={listed[0]}" == PROJECT["requires-python"]
    numbers = [int(one.partition(".")[2]) for one in listed]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    install = (ROOT / "docs" / "install.md").read_text("utf-8")
    assert f"Python {listed[0]} to {listed[-1]}" in install


@pytest.mark.parametrize("name", ["bug_report", "feature_request", "wrong_number"])
def test_forms_of_issues_are_whole(name):
    form = yaml.safe_load((FORMS / f"{name}.yml").read_text("utf-8"))
    assert (
        {"name", "description", "body"}
        <= set(form)
        <= {
            "name",
            "description",
            "title",
            "labels",
            "body",
            "assignees",
        }
    )
    names = [field["id"] for field in form["body"]]
    assert len(set(names)) == len(names)
    for field in form["body"]:
        assert field["type"] in ("textarea", "input", "dropdown", "checkboxes")
        assert field["attributes"]["label"]
        assert set(field) <= {"type", "id", "attributes", "validations"}
    assert any(field["validations"]["required"] for field in form["body"])


def test_there_are_forms_for_wrong_numbers_failures_and_wishes():
    found = {one.stem for one in FORMS.glob("*.yml")}
    assert found == {"bug_report", "config", "feature_request", "wrong_number"}


def old_names():
    """Return (module, old name, new one) of every use of `rmtland.deprecation`."""
    found = set()
    for path in sorted((ROOT / "rmtland").rglob("*.py")):
        text = path.read_text("utf-8")
        if path.name == "deprecation.py" or "deprecation" not in text:
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for call in ast.walk(ast.parse(text)):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
                continue
            kind = call.func.id
            if kind in ("renamed_argument", "renamed_method", "moved_method"):
                found.add((module, *(one.value for one in call.args)))
            elif kind == "keyword_only":
                name = call.args[0].value
                found.add((module, f"{name} by position", f"{name}=..."))
            elif kind == "old_names":
                found.update((module, *pair) for pair in ast.literal_eval(call.args[1]).items())
    return found


def test_the_page_of_old_names_has_them_all():
    text = (ROOT / "docs" / "deprecation.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| `(.+?)` \| `(.+?)` \|", text, re.MULTILINE)
    found = old_names()
    assert len(found) > 20
    assert set(rows) == found
    assert len(set(rows)) == len(rows)


def test_the_nightly_run_reads_and_opens_nothing():
    """Its profile draws new examples (conftest.py); no secrets, and no right beyond reading."""
    text = (ROOT / ".github" / "workflows" / "nightly.yml").read_text("utf-8")
    found = read(".github/workflows/nightly.yml")
    assert found["permissions"] == {"contents": "read"}
    assert "schedule" in found["on"]
    assert "secrets" not in text
    (job,) = found["jobs"].values()
    last = job["steps"][-1]
    profiles = re.findall(r'register_profile\("(\w+)"[^)]*derandomize=False', CONFTEST)
    assert last["env"]["HYPOTHESIS_PROFILE"] in profiles
    assert "permissions" not in job
    assert "pytest" in last["run"]
