"""Sphinx configuration: `sphinx-build -W --keep-going docs docs/_build/html`."""

from __future__ import annotations

import enum
import os
import re
import sys
from importlib.metadata import version as installed

os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
sys.path.insert(0, os.path.dirname(__file__))
import formula_directive
import object_links
import subject_index
from jinja2 import FileSystemLoader
from jinja2.sandbox import SandboxedEnvironment
from numpydoc import docscrape_sphinx

project = "rmtland"
author = "The rmtland developers"
copyright = "2026, The rmtland developers"
version = release = installed("rmtland")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]

exclude_patterns = [
    "_build",
    "gallery",
    "sg_execution_times.rst",
    "auto_gallery/sg_execution_times.rst",
    "auto_gallery/*.ipynb",
    "auto_gallery/*.py",
    "auto_gallery/*.json",
]
templates_path: list[str] = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_title = "rmtland"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 4,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_sidebars: dict[str, list[str]] = {
    page: []  # pages without sections beside them
    for page in [
        "index",
        "install",
        "which_tool",
        "how_to",
        "command_line",
        "models",
        "ensembles",
        "sweeps",
        "figures",
        "validity",
        "formulas",
        "vocabulary",
        "benchmarks",
        "bibliography",
        "changelog",
        "estimates",
        "adapters",
        "deprecation",
        "release",
        "explorer",
        "optimizers",
        "statements",
        "landscape",
        "training_dynamics",
        "critical_points",
        "minimisers",
        "devices",
        "fits",
        "tutorials/*",  # lines of code fit
    ]
}
html_context = {"default_mode": "auto"}  # light or dark as the system is
html_search_scorer = os.path.join(os.path.dirname(__file__), "_static", "search_scorer.js")
html_show_sourcelink = False
html_copy_source = False

autosummary_generate = True
autosummary_imported_members = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # numpydoc sections say the types
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False
default_role = "code"

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = "docs/_build/notebooks"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"/plot_",
    "image_scrapers": ("figure_words.described",),
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "capture_repr": (),  # what is shown is printed
    "write_computation_times": False,
    "min_reported_time": 86_400,  # times on the machine that built the site say little
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "plot_gallery": "True",
}

_templates = SandboxedEnvironment(
    loader=FileSystemLoader(os.path.join(os.path.dirname(docscrape_sphinx.__file__), "templates"))
)
# numpydoc compiles its one template for each docstring, thousands of times
docscrape_sphinx.SandboxedEnvironment = lambda loader: _templates


def _indexed_once(app, page, source):
    """Index an object once, on the page of the outermost room that has it."""
    room, _, name = page.rpartition(".")
    outer = f"{room.rpartition('.')[0]}.{name}"
    if page.startswith("api/") and os.path.exists(os.path.join(app.srcdir, f"{outer}.rst")):
        source[0] = re.sub(
            r"^(\.\. auto\w+:: .*)$", r"\1\n   :no-index:", source[0], flags=re.MULTILINE
        )


def _sources_lead_to_the_index(app, env):
    """Let the source of an object lead back to the page that has its entry in the index."""
    for entry in getattr(env, "_viewcode_modules", {}).values():
        for name, page in list(entry[2].items()) if entry else ():
            room, _, last = page.rpartition(".")
            outer = f"{room.rpartition('.')[0]}.{last}"
            if outer in env.found_docs:
                entry[2][name] = outer


def _anchors_of_sources(app, page, template, context, doctree):
    """Let sources lead back to anchors of the rooms of their pages: Sphinx has one for a file."""
    if page.startswith("_modules/"):
        link = (
            r'(id="([\w.]+)">\n<a class="viewcode-back" href="[^"]*/api/([\w.]+)\.\w+\.html#)[\w.]+'
        )
        context["body"] = re.sub(link, r"\1\3.\2", context["body"])


def _fields_left_out(app, what, name, obj, skip, options):
    """Leave out fields of named tuples: the section Parameters of their class describes them."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def _symbols_kept(app, what, name, obj, options, lines):
    """Keep a description that is one symbol (`n.`), and initials, from becoming lists."""
    alone = re.compile(r"^(\s+)(?=(?:[A-Za-z]|[ivxlcdm]+)\.$)|^(\s*\.\. \[[^]]+\] )(?=[A-Z]\. )")
    lines[:] = [alone.sub(lambda found: found[0] + "\\", line) for line in lines]


def _members_listed(app, what, name, obj, options, lines):
    """List the members of an enumeration with their values: they have no pages of their own."""
    if what == "class" and isinstance(obj, type) and issubclass(obj, enum.Enum):
        lines += ["", "Members:", ""]
        lines += [f"- ``{one.name}``: {one.value!s}" for one in obj]
        lines.append("")


def setup(app):
    app.add_directive("formula", formula_directive.Formula)
    app.connect("source-read", object_links.objects_linked)
    app.connect("autodoc-skip-member", _fields_left_out)
    app.connect("autodoc-process-docstring", _symbols_kept, priority=900)  # after numpydoc
    app.connect("autodoc-process-docstring", _members_listed, priority=900)
    app.connect("source-read", _indexed_once)
    app.connect("env-updated", _sources_lead_to_the_index)
    app.connect("html-page-context", _anchors_of_sources)
    app.connect("source-read", subject_index.entries_added)
