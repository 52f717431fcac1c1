"""Theories laid over a measured spectrum: laws, models and fits, with all their distances.

Everything that a table or a figure shows of an overlay is in one object, so that no two numbers
can disagree.

Examples
--------
>>> from rmtland.ensembles import WishartEnsemble
>>> from rmtland.laws import MarchenkoPastur, Semicircle
>>> spectrum = WishartEnsemble(0.5).sample(100, rng=0)
>>> result = overlay(spectrum, {"right": MarchenkoPastur(0.5), "wrong": Semicircle(0.5, 1.0)})
>>> [name for name, found in result.comparisons.items() if found.kolmogorov < 0.05]
['right']
>>> result.comparisons["right"].outliers
0
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from rmtland.comparison.distances import Comparison, compare
from rmtland.comparison.estimated import index_interval, index_words
from rmtland.comparison.fitting import Fit, fit
from rmtland.comparison.theories import Theory
from rmtland.intervals import interval_words
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.typing import Record, Rng

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["Overlay", "named_things", "overlay"]


@dataclass(frozen=True)
class Overlay:
    """A spectrum, the theories laid over it, and how far they are apart.

    Made by `rmtland.comparison.overlay`.

    Parameters
    ----------
    spectrum : Spectrum
        What was measured.
    theories : dict of str to Law, model, ensemble or Fit
        By the name that tables and legends show.
    comparisons : dict of str to Comparison
        Their distances, by the same names.
    parameters : dict of str to dict
        Parameters of each theory, and the errors of fitted ones, by the same names.
    index_range : (float, float), optional
        Between which the fraction of negative eigenvalues lies, where more is known of it than the
        spectrum tells: of a factorised matrix, with what rounding hides.
    """

    spectrum: Spectrum
    theories: dict[str, Theory]
    comparisons: dict[str, Comparison]
    parameters: dict[str, Record]
    index_range: tuple[float, float] | None = None

    def to_dict(self) -> Record:
        """Return plain values, for JSON: the spectrum in numbers, and each theory.

        Returns
        -------
        dict of str to values
            Nested dictionaries of plain values.
        """
        spectrum = self.spectrum
        measured: Record = {
            "index": spectrum.index(),
            "edges": [float(spectrum.nodes.min()), float(spectrum.nodes.max())],
            "runs": spectrum.runs,
            "dimension": spectrum.dimension,
            "zero_tolerance": spectrum.zero_tolerance,
        }
        if spectrum.is_complete:
            measured |= spectrum.inertia()._asdict()
        estimate = index_interval(spectrum)
        if estimate is not None:
            measured |= {
                "index": estimate.value,
                "index_interval": list(estimate.interval),
                "index_rigorous": list(estimate.rigorous),
                "index_is": "an estimate: mass below 0 and half of that at 0; intervals at 95 %",
            }
        if self.index_range is not None:
            measured["index_interval"] = list(self.index_range)
        return {
            "spectrum": measured,
            "laws": {
                name: {**self.parameters[name], **found.to_dict()}
                for name, found in self.comparisons.items()
            },
        }

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """Return what a table shows: name, Kolmogorov, Wasserstein, index, edges, outliers.

        Beside a fit that left eigenvalues out, distances and outliers are those of the others, and
        the last column says how many it left out. The first row is the spectrum; the index of an
        estimate is an interval at 95 %. The nodes of an estimate are no eigenvalues: in the place
        of outliers stands its part outside the law.

        Returns
        -------
        list of tuple of str
            Six columns; one row for the spectrum and one for each theory.
        """
        low, high = self.spectrum.nodes.min(), self.spectrum.nodes.max()
        rows = [("measured", "", "", self.index_words(), _ends(low, high), "")]
        for name, found in self.comparisons.items():
            low, high = found.law_edges
            rows.append(
                (
                    name,
                    f"{found.kolmogorov:.3f}",
                    f"{found.wasserstein:.3f}",
                    f"{found.law_index:.3f}",
                    "" if found.eta else _ends(low, high),
                    "" if found.eta else self._outside(name, found),
                )
            )
        return rows

    def index_words(self) -> str:
        """Return the measured index as table and figure tell it: a number, or between which two.

        Returns
        -------
        str
            In three decimals, or as many as tell the ends of an interval apart.
        """
        if self.index_range is None:
            return index_words(self.spectrum)
        return interval_words(*self.index_range)

    def _outside(self, name: str, found: Comparison) -> str:
        if excluded := len(self.parameters.get(name, {}).get("excluded", ())):
            others = f"{found.outliers} and " if found.outliers else ""
            return f"{others}{excluded} left out"
        if self.spectrum.is_complete:
            return str(found.outliers)
        return f"{100 * found.mass_outside:.1f} %"

    def __repr__(self) -> str:
        distances = ", ".join(
            f"{name}: {found.kolmogorov:.3f}" for name, found in self.comparisons.items()
        )
        return f"Overlay({self.spectrum!r}, Kolmogorov distances {{{distances}}})"

    def _repr_html_(self) -> str:
        """Return the table for notebooks."""
        import html

        heads = ("", "Kolmogorov", "Wasserstein", "index", "edges", "outliers")
        rows = ["".join(f"<th>{head}</th>" for head in heads)]
        rows += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in self.rows()]
        return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"

    def plot(self, axes: tuple[Axes, Axes] | None = None, **options: Any) -> list[Artist]:
        """Draw densities and distribution functions.

        Parameters
        ----------
        axes : pair of Axes, optional
            For the densities and for the distribution functions; a new figure by default.
        **options
            Of `rmtland.plot.draw_overlay`.

        Returns
        -------
        list of Artist
            What was drawn.
        """
        from rmtland.comparison.drawing import draw_overlay, new_triple

        if axes is None:
            axes, legend = new_triple()
            options = {"legend": legend, **options}
        return draw_overlay(axes, self, **options)


def _ends(low: float, high: float) -> str:
    """Return two ends in three digits; what is nothing beside the other is 0."""
    size = max((abs(end) for end in (low, high) if math.isfinite(end)), default=0.0)
    return " ".join("0" if abs(end) < 1e-6 * size else f"{end:.3g}" for end in (low, high))


def overlay(
    spectrum: Spectrum,
    theories: Mapping[str, Theory] | Iterable[Theory] | Theory = (),
    *,
    families: Mapping[str, Callable[..., object]] | Iterable[Callable[..., object]] = (),
    rng: Rng = None,
) -> Overlay:
    """Lay theories over a spectrum, and families fitted to it.

    Parameters
    ----------
    spectrum : Spectrum
        Eigenvalues or a quadrature.
    theories : Law, model, ensemble, fit or Spectrum; or several of them, by name or listed
        What the spectrum is compared with. A listed one is named by its `name` or its class.
    families : classes or callables, by name or listed
        Families to fit (`fit`); their members are named "..., fitted".
    rng : anything `numpy.random.default_rng` takes
        For the fits.

    Returns
    -------
    Overlay
        The spectrum with every theory and its distances.

    Raises
    ------
    TypeError
        If something is neither a theory nor a family.
    ValueError
        If there is nothing to lay over, two theories have one name, or a theory has no law.

    See Also
    --------
    rmtland.comparison.compare : one theory.
    rmtland.comparison.fit : one family.
    rmtland.plot.draw_overlay : the picture.
    """
    if not isinstance(spectrum, Spectrum):
        raise TypeError(f"expected a Spectrum; got {type(spectrum).__name__}")
    named = named_things(theories)
    for name, family in named_things(families).items():
        fitted = f"{name}, fitted"
        if fitted in named:
            raise ValueError(f"two theories are called {fitted!r}; give names")
        named[fitted] = fit(spectrum, family, rng=rng)
    if not named:
        raise ValueError("there is nothing to lay over the spectrum; give theories or families")
    comparisons = {
        name: theory.comparison if isinstance(theory, Fit) else compare(spectrum, theory)
        for name, theory in named.items()
    }
    parameters = {name: _parameters(theory) for name, theory in named.items()}
    return Overlay(spectrum, named, comparisons, parameters)


def named_things(things: Any) -> Record:
    """Return theories or families by name; a listed one is named by its `name` or its class.

    Parameters
    ----------
    things : mapping, sequence, or one thing
        Theories or families.

    Returns
    -------
    dict of str to object

    Raises
    ------
    ValueError
        If two have one name.
    """
    if isinstance(things, Mapping):
        return dict(things)
    several = isinstance(things, list | tuple) or (
        isinstance(things, Iterable) and not isinstance(things, Law | Spectrum | type)
    )
    named: Record = {}
    for thing in things if several else (things,):
        own = getattr(thing, "name", None) or getattr(thing, "__name__", None)
        name = own if isinstance(own, str) else type(thing).__name__
        if name in named:
            raise ValueError(f"two theories are called {name!r}; give them by name")
        named[name] = thing
    return named


def _parameters(theory: object) -> Record:
    """Numbers that a theory is made of; of a fit with their errors."""
    if isinstance(theory, Fit):
        found = theory.to_dict()
        held = {k: v for k, v in theory.fixed.items() if isinstance(v, int | float)}
        return {
            **theory.parameters,
            **held,
            "errors": found["errors"],
            "excluded": found["excluded"],
            "undetermined": found["undetermined"],
            "at_bounds": found["at_bounds"],
        }
    if not is_dataclass(theory) or isinstance(theory, type):
        return {}
    values = {f.name: getattr(theory, f.name) for f in fields(theory)}
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
