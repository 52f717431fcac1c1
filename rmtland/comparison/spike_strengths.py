r"""Strength of the signal behind an outlying eigenvalue: the BBP transition, inverted.

A perturbation of finite rank (spike, signal) shows as an eigenvalue outside the bulk that is
further out than the spike is strong (Baik, Ben Arous and Peche); shrinkage takes the excess away
again. With G the Stieltjes (Cauchy) transform of the bulk, lambda the outlier:

- additive, A + theta v v^*: :math:`\theta = 1 / G(\lambda)`, squared cosine between eigenvector and
  v :math:`-1 / (\theta^2 G'(\lambda))`;
- multiplicative (spiked covariance, population eigenvalue l): :math:`1/(l - 1) = \lambda G - 1`.

For noise alone these are closed, with standard errors from the fluctuations of the outlier [1]_
[2]_ [3]_. For entries of variance 1/N, q = M/N:

.. math::
    \lambda = \theta + \frac{1}{\theta}, \quad
    \operatorname{se}(\theta)^2 = \frac{2}{\beta n (1 - \theta^{-2})} ; \qquad
    \lambda = l \Bigl(1 + \frac{q}{l - 1}\Bigr), \quad
    \operatorname{se}(l)^2 = \frac{2 l^2}{\beta N (1 - q/(l-1)^2)} ;

and for the singular value x of a fixed signal in an M x N matrix

.. math::
    \lambda = \frac{(1 + x^2)(q + x^2)}{x^2}, \quad
    \operatorname{se}(x)^2 = \frac{x^2 (1 + q + 2 x^2)}{2 \beta' N (x^4 - q)}, \qquad
    \cos^2_u = \frac{x^4 - q}{x^2 (x^2 + q)}, \quad \cos^2_v = \frac{x^4 - q}{x^2 (x^2 + 1)},

beta' = beta. The errors are those of Gaussian noise, of first order, and fail next to the
threshold, where they grow without bound.

References
----------
.. [1] D. Paul, Asymptotics of sample eigenstructure for a large dimensional spiked covariance
       model, Statistica Sinica 17 (2007) 1617-1642.
.. [2] F. Benaych-Georges and R. R. Nadakuditi, The singular values and vectors of low rank
       perturbations of large rectangular random matrices, Journal of Multivariate Analysis 111
       (2012) 120-135.
.. [3] M. Capitaine, C. Donati-Martin and D. Feral, The largest eigenvalues of finite rank
       deformation of large Wigner matrices, Annals of Probability 37 (2009) 1-47.

Examples
--------
>>> from rmtland import Semicircle, spiked
>>> outlier = spiked(Semicircle(), [1.5])[0]
>>> found = spike_strengths([outlier.location], Semicircle(), size=100)[0]
>>> round(found.strength, 10), round(found.overlap / outlier.overlap, 10), round(found.error, 3)
(1.5, 1.0, 0.19)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmtland.arguments import among, choice, count, dense_array, float_array
from rmtland.comparison.theories import Theory, law_of
from rmtland.laws import Law, MarchenkoPastur, Semicircle
from rmtland.typing import Real

__all__ = ["Strength", "rectangular_strengths", "spike_strengths"]


@dataclass(frozen=True)
class Strength:
    """A signal behind an outlying eigenvalue.

    Made by `rmtland.comparison.spike_strengths`.

    Parameters
    ----------
    value : float
        The outlying eigenvalue.
    strength : float
        Eigenvalue of the perturbation, population eigenvalue, or singular value of the signal.
    error : float or None
        Its standard error; None where it is not known.
    overlap : float
        Squared cosine between the eigenvector and that of the signal; for singular vectors the
        one of the shorter side.
    other_overlap : float or None
        That of the longer side.
    """

    value: float
    strength: float
    error: float | None
    overlap: float
    other_overlap: float | None = None


def spike_strengths(
    values: ArrayLike,
    noise: Theory,
    *,
    kind: str | None = None,
    size: int | None = None,
    beta: int = 1,
) -> tuple[Strength, ...]:
    r"""Return the spikes behind outlying eigenvalues: the inverse of `rmtland.spiked`.

    .. formula:: Strength of a spike from its outlier, :math:`\theta = 1/G(\lambda)`, :math:`1/(l -
        1) = \lambda G(\lambda) - 1`, with its standard error

    Parameters
    ----------
    values : array_like of float
        Eigenvalues outside the bands of the noise.
    noise : Law, model, ensemble or fit
        Law of the bulk.
    kind : {"additive", "multiplicative"}, optional
        How the signal enters; "multiplicative" for a Marchenko-Pastur law (spiked covariance),
        "additive" for others.
    size : int, optional
        Order of the matrices, for standard errors.
    beta : {1, 2}
        Real or complex noise.

    Returns
    -------
    tuple of Strength
        In the order of the values.

    Raises
    ------
    ValueError
        If a value is not finite or not outside the bands, or no spike of this kind has it.
    TypeError
        If `beta` is a truth value, `size` no integer, or `values` holds no real numbers.

    See Also
    --------
    rmtland.comparison.signals : with a test.
    rmtland.free.spiked : from strengths to eigenvalues.
    """
    law = law_of(noise)
    if kind is None:
        kind = "multiplicative" if isinstance(law, MarchenkoPastur) else "additive"
    choice("kind", kind, ("additive", "multiplicative"))
    size = None if size is None else count("size", size)
    beta = among("beta", beta, {1: "real", 2: "complex"})
    array = np.atleast_1d(dense_array("values", values))
    if array.size == 0:
        return ()
    array = float_array("values", array, ndim=1)
    for value in array.tolist():
        if any(low <= value <= high for low, high in law.support):
            raise ValueError(
                f"the eigenvalue {value:g} lies within the bulk {law.support}: no spike can be "
                "read from it"
            )
    return tuple(_strength(value, law, kind, size, beta) for value in array.tolist())


def _strength(value: float, law: Law, kind: str, size: int | None, beta: int) -> Strength:
    g, slope = (complex(part[0]) for part in law._jet(np.array([complex(value)])))
    error = None
    if kind == "additive":
        inverse, change = g.real, slope.real
        strength = 1 / inverse if inverse else np.inf
        overlap = -(inverse**2) / change
        if size and isinstance(law, Semicircle):
            error = float(np.sqrt(2 * law.var() / (beta * size) / overlap))
    else:
        inverse, change = value * g.real - 1, g.real + value * slope.real
        strength = 1 + 1 / inverse if inverse else np.inf
        overlap = -(inverse**2) / change * strength / value
        if isinstance(law, MarchenkoPastur):  # in the units of the eigenvalues
            q, scale = law.aspect_ratio, law.scale
            if size:
                # the spike is l scale; G knows l itself
                share = 1 - q / (strength - 1) ** 2
                error = float(scale * strength * np.sqrt(2 * q / (beta * size * share)))
            strength *= scale
    if not (np.isfinite(strength) and 0 < overlap <= 1 + 1e-9):
        raise ValueError(f"no {kind} spike has an outlier at {value:g} beside this bulk")
    return Strength(value, float(strength), error, float(min(overlap, 1.0)))


def rectangular_strengths(
    values: Real, *, long: int, short: int, scale: float = 1.0, beta: int = 1
) -> tuple[Strength, ...]:
    """Return the singular values of the signal behind outlying squared singular values.

    Parameters
    ----------
    values : ndarray of float64
        Squared singular values over `long`, above the bulk.
    long, short : int
        Sides of the matrix.
    scale : float
        Variance of the entries.
    beta : {1, 2}
        Real or complex.

    Returns
    -------
    tuple of Strength
        Strengths and errors in the units of the singular values of the matrix.
    """
    q, found = short / long, []
    for value in np.asarray(values, dtype=np.float64).tolist():
        inner = value / scale - 1 - q
        square = (inner + np.sqrt(max(inner**2 - 4 * q, 0.0))) / 2
        beyond = square**2 - q
        unit = np.sqrt(scale * long)
        with np.errstate(divide="ignore"):
            error = np.sqrt(np.divide(square * (1 + q + 2 * square), 2 * beta * long * beyond))
        found.append(
            Strength(
                value,
                float(unit * np.sqrt(square)),
                float(unit * error),
                beyond / (square * (square + q)),
                beyond / (square * (square + 1)),
            )
        )
    return tuple(found)
