"""Levels of theory: what each knows of a network, by number, name and sentence.

| level | law | what is assumed |
|---|---|---|
| 0 | Wishart + Wigner (or ReLU block) as printed: phi, epsilon | scale, Wishart, Wigner, free |
| 1 | the same, traces of H0 and H1^2 matched | Wishart, Wigner, free |
| 2 | the same, phi, epsilon, sigma fitted to H | the family of laws |
| 3 | H0 measured, H1 by theory (or H1 measured, H0 by theory) | Wigner (or Wishart), free |
| 4 | H0 and H1 measured | free |
| 5 | matrix Dyson: first layer, data, mean squares known | iid second layer, iid residuals |
| 6 | the same, second moments and f'' block measured | Gaussian second layer and residuals |
| 7 | weights, data, gradient and energy known | residuals iid where the gradient is blind |
| 8 | the same, and residuals regressed on the inputs | residuals iid in all other directions |

phi = p / (m n_out) counts parameters per effective example. Levels 0-4 are of Pennington and Bahri
[1]_, level 4 being the test of their figure 2; they need spectra only
(`rmtland.audit.free_levels`). Levels 5 and 6 need one hidden layer without biases and half the mean
squared error (`rmtland.audit.dyson_levels`). Levels 7 and 8 hold after training, for any
network (`rmtland.audit.conditioned_levels`).

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> Level.DYSON.number, Level.DYSON.title(Family.DYSON)
(5, 'matrix Dyson, iid second layer')
>>> Level.PRINTED.title(Family.WIGNER)
'Wishart + Wigner, as printed'
>>> [level.name for level in Level if level.number == 3]
['MEASURED_GAUSS_NEWTON', 'MEASURED_RESIDUAL']
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

from rmtland.audit.measured import MeasuredHessian, Progress
from rmtland.laws import Law
from rmtland.solution import Solution

__all__ = ["Family", "Level", "LevelLaw", "Theory"]


class Family(StrEnum):
    """Laws of the Hessian that differ in what they take H1 for."""

    WIGNER = "Wishart + Wigner"
    RELU_BLOCK = "Wishart + ReLU block"
    DYSON = "matrix Dyson"
    CONDITIONED = "conditioned residuals"
    OTHER = "given"

    @property
    def residual_name(self) -> str:
        """What H1 is in this family."""
        return {Family.WIGNER: "Wigner", Family.RELU_BLOCK: "ReLU block"}.get(self, str(self))


class Level(Enum):
    """A level of theory; its value is its key in files.

    Attributes
    ----------
    number : int
        0-8, in the order of what is known of the network; levels of one number know as much.
    sentence : str
        What the law knows and what it assumes.
    """

    PRINTED = (
        "printed",
        0,
        "{family}, as printed",
        "knows the ratio phi and the energy; assumes scale, Wishart, Wigner and freeness",
    )
    MATCHED = (
        "matched",
        1,
        "{family}, traces matched",
        "knows phi and the traces of H0 and H1^2; assumes Wishart, Wigner and freeness",
    )
    FITTED = (
        "fitted",
        2,
        "{family}, fitted",
        "is fitted to the measured spectrum; assumes the family of laws",
    )
    MEASURED_GAUSS_NEWTON = (
        "measured_gauss_newton",
        3,
        "H0 measured, {residual} H1, free",
        "knows the spectrum of H0 and the trace of H1^2; assumes Wigner and freeness",
    )
    MEASURED_RESIDUAL = (
        "measured_residual",
        3,
        "Wishart H0, H1 measured, free",
        "knows the trace of H0 and the spectrum of H1; assumes Wishart and freeness",
    )
    MEASURED_PARTS = (
        "measured_parts",
        4,
        "H0 and H1 measured, free",
        "knows the spectra of H0 and H1; assumes that they are free",
    )
    DYSON = (
        "dyson",
        5,
        "matrix Dyson, iid second layer",
        "knows first layer, data and mean squares; assumes iid second layer and residuals",
    )
    DYSON_MOMENTS = (
        "dyson_moments",
        6,
        "matrix Dyson, measured moments",
        "knows first layer, data, second moments and f''; assumes Gaussian W2 and residuals",
    )
    CONDITIONED_GRADIENT = (
        "conditioned_gradient",
        7,
        "residuals conditioned on gradient",
        "knows weights, data, gradient and energy; assumes residuals iid in all other directions",
    )
    CONDITIONED_INPUTS = (
        "conditioned_inputs",
        8,
        "residuals conditioned on gradient, inputs",
        "knows, besides, the regression of the residuals on the inputs; assumes the rest iid",
    )
    GIVEN = ("given", 9, "{family}", "is a law that was given to the audit")

    number: int
    sentence: str
    _template: str

    def __new__(cls, key: str, number: int, template: str, sentence: str) -> Level:
        """Make a member whose value is its key."""
        member = object.__new__(cls)
        member._value_ = key
        member.number, member._template, member.sentence = number, template, sentence
        return member

    def title(self, family: Family) -> str:
        """Return the name that tables show.

        Parameters
        ----------
        family : Family
            Of the law.

        Returns
        -------
        str
        """
        return self._template.format(family=family.value, residual=family.residual_name)


@dataclass(frozen=True, eq=False)
class LevelLaw:
    """The law of a level for a measured Hessian.

    Parameters
    ----------
    law : Law
        The law.
    parameters : dict
        Of the model behind it, JSON-able.
    error : float
        Error of the law itself, as a Kolmogorov distance; 0 for exact ones.
    curvature_spread : float
        For a law with an f'' block that was drawn: how far laws of different draws are apart, as
        a Kolmogorov distance; it is part of `error`.
    chance : Solution, optional
        For a law that was pooled from draws: mean distance of one of them to the others, with its
        standard deviation as `error`.
    """

    law: Law
    parameters: dict[str, object]
    error: float = 0.0
    curvature_spread: float = 0.0
    chance: Solution | None = None


class Theory(Protocol):
    """A level of theory for one family: when it applies and what its law is.

    A further level is another class of this kind.
    """

    @property
    def level(self) -> Level:
        """The level."""

    @property
    def family(self) -> Family:
        """The family."""

    def applies(self, measured: MeasuredHessian) -> str | None:
        """Return the reason why there is no such law, None where there is one.

        Parameters
        ----------
        measured : MeasuredHessian
            Spectra and, where there is one, the point of a network.

        Returns
        -------
        str or None
        """

    def law(self, measured: MeasuredHessian, *, progress: Progress | None = None) -> LevelLaw:
        """Return the law.

        Parameters
        ----------
        measured : MeasuredHessian
            What `applies` has accepted.
        progress : callable, optional
            Called as ``progress(what, done, total)``.

        Returns
        -------
        LevelLaw
        """
