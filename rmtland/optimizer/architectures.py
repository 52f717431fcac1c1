r"""Which spectra are easy for which methods: scores over families of laws.

Laws of the curvatures of networks (conjugate and tangent kernels, Gauss-Newton parts, any other)
say before any training how fast the loss can fall near a minimum, and how much of that a method
takes: `compatibility_table` tunes each method to each law and puts its score,
:math:`\ln E_{\text{method}}(T)/\ln E_{\text{best}}(T)`, beside the least error that any method
reaches. A kernel :math:`J J^\top` has the curvatures of :math:`J^\top J` but for zeros, which no
loss depends on.

References
----------
.. [1] F. Pedregosa and D. Scieur, Acceleration through spectral density estimation, ICML 2020,
       arXiv:2002.04756.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> table = compatibility_table({"wide": MarchenkoPastur(0.25), "square": MarchenkoPastur(1.0)})
>>> print(table)
spectrum   condition   least loss   gradient descent  heavy ball    Nesterov
wide               9      3.8e-13               0.50        0.98        0.78
square             -      3.0e-04               0.71        0.96        0.91
>>> table.easiest
'wide'
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rmtland.arguments import count
from rmtland.laws import Law, SpectralModel
from rmtland.optimizer.average_case import best_errors
from rmtland.optimizer.methods import GradientDescent, HeavyBall, Method, Nesterov
from rmtland.optimizer.start_measure import Source, start_measure
from rmtland.optimizer.tuning import compatibility, tuned
from rmtland.typing import Real

__all__ = ["CompatibilityTable", "compatibility_table"]

KINDS: tuple[type[Method], ...] = (GradientDescent, HeavyBall, Nesterov)


@dataclass(frozen=True)
class CompatibilityTable:
    """Scores of methods on spectra.

    Made by `rmtland.optimizer.compatibility_table`.

    Parameters
    ----------
    names : tuple of str
        Of the spectra.
    methods : tuple of str
        Names of the methods.
    scores : ndarray of float, shape (spectra, methods)
        1 for the best possible, 0 for none.
    least : ndarray of float, shape (spectra,)
        Least error that any method reaches, in parts of the first.
    conditions : ndarray of float, shape (spectra,)
        Largest curvature over the least above 0; inf where they reach down to 0.
    steps : int
        T.
    objective : {"distance", "loss", "gradient"}
        Which error.
    """

    names: tuple[str, ...]
    methods: tuple[str, ...]
    scores: Real
    least: Real
    conditions: Real
    steps: int
    objective: str

    @property
    def easiest(self) -> str:
        """Name of the spectrum on which the error can fall furthest."""
        return self.names[int(np.argmin(self.least))]

    def __str__(self) -> str:
        wide = max(len("spectrum"), *(len(name) for name in self.names))
        head = f"{'spectrum':<{wide}}   condition   least {self.objective}   "
        lines = [head + "  ".join(f"{name:>10}" for name in self.methods)]
        for name, row, error, ratio in zip(
            self.names, self.scores, self.least, self.conditions, strict=True
        ):
            shown = f"{ratio:.3g}" if math.isfinite(ratio) else "-"
            cells = "  ".join(
                f"{score:>{max(10, len(method))}.2f}"
                for method, score in zip(self.methods, row, strict=True)
            )
            lines.append(
                f"{name:<{wide}}   {shown:>9}   {error:>{6 + len(self.objective)}.1e}   {cells}"
            )
        return "\n".join(line.rstrip() for line in lines)


def compatibility_table(
    sources: Mapping[str, Source],
    *,
    steps: int = 20,
    objective: str = "loss",
    kinds: tuple[type[Method], ...] = KINDS,
) -> CompatibilityTable:
    """Score methods, each tuned to each spectrum, from the spectra alone.

    Parameters
    ----------
    sources : mapping of str to Law, SpectralModel, Spectrum or StartMeasure
        Curvatures by name.
    steps : int, optional
        T, when the error counts.
    objective : {"distance", "loss", "gradient"}, optional
        Which error: "loss" for displacements of parameters without preferred direction, "distance"
        on a kernel for residuals without one.
    kinds : tuple of classes, optional
        Of methods that `tuned` knows.

    Returns
    -------
    CompatibilityTable
        Scores, least errors and condition numbers.

    Raises
    ------
    ValueError
        If there are no spectra, or one of them has negative curvatures or none above 0.
    TypeError
        If the spectra have no names, or a single class is given for several.
    """
    size = count("steps", steps)
    if not isinstance(sources, Mapping):
        raise TypeError(
            "sources must be spectra by name, such as {'wide': MarchenkoPastur(0.25)}; got "
            f"{type(sources).__name__}"
        )
    if isinstance(kinds, type):
        raise TypeError(f"kinds must be a tuple of classes, such as ({kinds.__name__},)")
    if not sources:
        raise ValueError("sources must hold at least one spectrum; got none")
    if not kinds:
        raise ValueError("kinds must hold at least one class of methods; got none")
    scores = np.empty((len(sources), len(kinds)))
    least, conditions = np.empty(len(sources)), np.empty(len(sources))
    names: tuple[str, ...] = ()
    for i, source in enumerate(sources.values()):
        least[i] = best_errors(source, size, objective=objective)[-1]
        conditions[i] = _condition(source)
        made = [tuned(kind, source, size, objective=objective) for kind in kinds]
        names = tuple(method.name for method in made)
        scores[i] = [compatibility(one, source, size, objective=objective) for one in made]
    return CompatibilityTable(tuple(sources), names, scores, least, conditions, size, objective)


def _condition(source: Source) -> float:
    """Largest curvature over the least above 0; no node of a quadrature is at an edge of a law."""
    law = source.law if isinstance(source, SpectralModel) else source
    if not isinstance(law, Law):
        low, high = start_measure(law, degree=1).edges
        return high / low
    if any(low <= 0 < high for low, high in law.support):
        return math.inf
    places = [low for low, high in law.support if high > 0]
    places += [place for place, _ in law.atoms if place > 0]
    return float(law.hull[1]) / min(places)
