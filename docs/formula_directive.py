"""The directive `formula` of docstrings: a formula on the page of the object that computes it.

`scripts/make_formula_index.py` says how it is written, and makes the formula index of them.
"""

from __future__ import annotations

from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

__all__ = ["Formula"]

WORDS = {"with": "with ``{}``", "by": "computed by ``{}``", "and": "as in :py:obj:`{}`"}


class Formula(SphinxDirective):
    """A formula in words and symbols, set apart, with a link to the index of all formulas."""

    has_content = True
    option_spec: ClassVar = dict.fromkeys(WORDS, directives.unchanged)

    def run(self) -> list[nodes.Node]:
        self.assert_has_content()
        given = [WORDS[name].format(self.options[name]) for name in WORDS if name in self.options]
        text = ", ".join([" ".join(self.content), *given])
        source, line = self.get_source_info()
        lines = StringList([f":doc:`Formula </formulas>`: {text}."], source=f"{source}:{line}")
        block = nodes.container(classes=["formula"])
        self.state.nested_parse(lines, self.content_offset, block)
        return [block]
