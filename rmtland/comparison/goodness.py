r"""Goodness of fit that is calibrated for eigenvalues: a parametric bootstrap over matrices.

Eigenvalues repel each other: their distribution function stays within order 1/n of the law, not
n^(-1/2), so that the tables of Kolmogorov and of Cramer and von Mises, made for independent
points, accept nearly everything. Here the statistic

.. math::
    T = \sum_i w_i \left[ F(\lambda_i) - F_n(\lambda_i) + \frac{w_i}{2} \right]^2,

summed over the eigenvalues off the atoms of F, is laid beside its values for matrices drawn from
the theory, of the same size, and through the same estimate (Lanczos quadrature) where the spectrum
is one. With B of them the p-value is (1 + number that are not smaller) / (B + 1) [1]_: with known
parameters it is exact for any size and any B; fitted parameters are fitted again to each matrix, to
leading order in 1/n then.

A law does not say how its points repel each other. Marchenko-Pastur, semicircle and Wachter laws
are taken for those of Gaussian matrices, real ones by default (`rmtland.ensembles`, drawn as
tridiagonal matrices); a model or ensemble draws its own; others are refused. Few
eigenvalues far from the bulk hardly move T: they are for `rmtland.comparison.signals`.

References
----------
.. [1] A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application, Cambridge
       University Press 1997, chapter 4.

Examples
--------
>>> from rmtland import MarchenkoPastur, WishartEnsemble
>>> spectrum = WishartEnsemble(0.5).sample(60, rng=1)
>>> goodness_of_fit(spectrum, MarchenkoPastur(0.5), rng=0).p_value > 0.05
True
>>> goodness_of_fit(spectrum, MarchenkoPastur(0.4), rng=0).p_value
0.005
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rmtland.arguments import count, positive
from rmtland.comparison.drawable import drawable
from rmtland.comparison.fitting import Fit, fit
from rmtland.comparison.spectral_shift import spectral_shift
from rmtland.comparison.theories import Theory, law_of
from rmtland.laws import Law
from rmtland.spectrum import Spectrum
from rmtland.streams import random_generator
from rmtland.typing import Logical, Real, Record, Rng

__all__ = ["Goodness", "goodness_of_fit"]


@dataclass(frozen=True, eq=False)
class Goodness:
    r"""Whether a spectrum may come from a theory.

    .. formula:: Bulk beside spikes, :math:`N(x) = n F(x) - \sum_s \arg(1 - h(x +
        i0)/h(\lambda_s))/\pi`
        :by: rmtland.comparison.spectral_shift.spectral_shift

    Made by `rmtland.comparison.goodness_of_fit`.

    Parameters
    ----------
    p_value : float
        Chance of a statistic at least as large where the theory holds; at least 1/(B + 1).
    statistic : float
        Of the spectrum.
    null : ndarray of float64
        Of the B matrices drawn, ascending.
    refitted : tuple of str
        Parameters that were fitted to each matrix again.

    References
    ----------
    .. [1] M. G. Krein, On the trace formula in perturbation theory, Matematicheskii Sbornik 33
           (1953) 597-626.
    .. [2] F. Benaych-Georges and R. R. Nadakuditi, The eigenvalues and eigenvectors of finite, low
           rank perturbations of large random matrices, Advances in Mathematics 227 (2011) 494-521.
    """

    p_value: float
    statistic: float
    null: Real = field(repr=False)
    refitted: tuple[str, ...] = ()

    def to_dict(self) -> Record:
        """Return plain values, for JSON.

        Returns
        -------
        dict of str to values
            One entry for each attribute; of the matrices their number only.
        """
        return {
            "p_value": self.p_value,
            "statistic": self.statistic,
            "resamples": int(self.null.size),
            "refitted": list(self.refitted),
        }


def goodness_of_fit(
    spectrum: Spectrum,
    theory: Theory,
    *,
    beta: float | None = None,
    resamples: int = 199,
    rng: Rng = None,
) -> Goodness:
    r"""Test whether a spectrum may come from a theory.

    .. formula:: Goodness of fit of eigenvalues, :math:`p = (1 + \#\{T_b \ge T\})/(B + 1)` over
        matrices drawn

    Parameters
    ----------
    spectrum : Spectrum
        All eigenvalues of one or more matrices, or a Gauss quadrature by Lanczos.
    theory : Law, model, ensemble or fit
        One that can be drawn. The parameters that a fit has fitted, and none else, are fitted again
        to every matrix; eigenvalues that it excluded as outliers are left out, and as many at the
        same ends of the matrices drawn.
    beta : float, optional
        Of the matrices behind a law: 1 for real (the default), 2 for complex ones.
    resamples : int, optional
        B, at least 19 (for a level of 5 %).
    rng : anything `numpy.random.default_rng` takes
        Stream of the matrices.

    Returns
    -------
    Goodness
        The p-value.

    Raises
    ------
    ValueError
        If no matrices of the theory can be drawn, a fit is of a function that cannot be called
        again, the spectrum has fewer than 4 eigenvalues, or is an estimate whose quadrature cannot
        be drawn.
    TypeError
        If the arguments are not a spectrum and a theory.

    See Also
    --------
    rmtland.comparison.compare : distances.
    rmtland.comparison.fit : parameters.
    """
    if not isinstance(spectrum, Spectrum):
        raise TypeError(f"expected a Spectrum; got {type(spectrum).__name__}")
    if spectrum.nodes.shape[1] < 4:
        raise ValueError(
            f"a goodness of fit needs at least 4 eigenvalues; got {spectrum.nodes.shape[1]}"
        )
    if beta is not None:
        beta = positive("beta", beta)
    if count("resamples", resamples) < 19:
        raise ValueError(f"resamples must be at least 19; got {resamples}")
    law = law_of(theory)
    if not law.support:
        raise ValueError(f"{law} is a law of point masses: nothing fluctuates")
    fitted = theory if isinstance(theory, Fit) else None
    draw = _sampler(theory if fitted is None else fitted.model, spectrum, beta)
    far, ends = None, None
    if fitted is not None and fitted.excluded:
        far, ends = _left_out(spectrum, fitted)
    generator = random_generator(rng)
    refit = None if fitted is None else _refit(fitted, beta)
    null = np.empty(resamples)
    for i in range(resamples):
        sample = draw(generator)
        null[i] = _statistic(sample, law if refit is None else refit(sample, generator), ends)
    own = _statistic(spectrum, law, far)
    larger = int(np.count_nonzero(null >= own))
    parameters = {} if fitted is None else fitted.parameters
    return Goodness(
        (1 + larger) / (resamples + 1),
        own,
        np.sort(null),
        tuple(name for name, value in parameters.items() if value != 0.0),
    )


def _statistic(spectrum: Spectrum, law: Law, far: Logical | None = None) -> float:
    """Sum of squares of F - F_n at the eigenvalues off the atoms, the mean over runs."""
    nodes = spectrum.nodes
    weights = np.full(nodes.shape, 1 / nodes.shape[1])
    if spectrum.weights is not None:
        weights = spectrum.weights
    level = np.cumsum(weights, axis=1) - weights / 2
    if far is not None:
        weights = np.where(far, 0.0, weights)
        for run, out in enumerate(far):  # what spikes push the others by
            if (nodes[run][out] > law.hull[1]).any() or (nodes[run][out] < law.hull[0]).any():
                level[run] += spectral_shift(law, nodes[run][out], nodes[run]) / nodes.shape[1]
    defect = np.asarray(law.cdf(nodes.ravel())).reshape(nodes.shape) - level
    for place, _ in law.atoms:
        defect = np.where(np.abs(nodes - place) <= spectrum.zero_tolerance, 0.0, defect)
    return float((weights * defect**2).sum(axis=1).mean())


def _left_out(spectrum: Spectrum, found: Fit[object]) -> tuple[Logical, Logical]:
    """Return where the outliers of a fit are, and as many eigenvalues at the same ends."""
    if not spectrum.is_complete:
        raise ValueError(
            "outliers were excluded from the fit of an estimate: what is left is not known; fit "
            "with outliers='keep'"
        )
    far = np.isin(spectrum.nodes, found.excluded)
    middle = sum(found.law.hull) / 2
    place = np.arange(spectrum.nodes.shape[1])
    low = np.count_nonzero(far & (spectrum.nodes < middle), axis=1)
    high = np.count_nonzero(far & (spectrum.nodes >= middle), axis=1)
    return far, (place < low[:, None]) | (place >= place.size - high[:, None])


def _sampler(
    member: object, spectrum: Spectrum, beta: float | None
) -> Callable[[np.random.Generator], Spectrum]:
    """Return what draws spectra such as the one that was measured."""
    source = drawable(member, beta)
    if source is None:
        raise ValueError(
            f"{type(member).__name__} does not say how its eigenvalues repel each other, so that "
            "no matrices of it can be drawn; give an ensemble or model with a sampler "
            "(WishartEnsemble, GaussianEnsemble, WishartPlusWigner, ...)"
        )
    drawn, shift = source
    size, runs = spectrum.dimension, spectrum.runs
    if spectrum.is_complete:
        order = int(spectrum.nodes.shape[1])
        return lambda generator: source.sample(order, rng=generator, runs=runs)
    if spectrum.alpha is None or size is None or not hasattr(drawn, "lanczos"):
        raise ValueError(
            "the spectrum is an estimate of which no equal can be drawn from the theory: it takes "
            "a Gauss quadrature by Lanczos with its tridiagonals, the dimension, and a theory with "
            "`lanczos`"
        )
    steps = int(spectrum.nodes.shape[1])

    def draw_quadrature(generator: np.random.Generator) -> Spectrum:
        found: Spectrum = drawn.lanczos(size, steps, rng=generator, runs=runs)
        return Spectrum(found.nodes + shift, found.weights, found.dimension)

    return draw_quadrature


def _refit(
    found: Fit[object], beta: float | None
) -> Callable[[Spectrum, np.random.Generator], Law]:
    """Return what fits the family again, from where it was found."""
    family = type(found.model)
    try:
        again = family(**found.fixed, **found.parameters)
        same = again == found.model
    except (TypeError, ValueError):
        same = False
    if not same:
        raise ValueError(
            f"the fitted {family.__name__} is not made by its class from the fitted parameters "
            f"({', '.join(found.parameters)}): fit a class, or test a member with known parameters"
        )

    zeros = {name: value for name, value in found.parameters.items() if value == 0.0}
    start = {name: value for name, value in found.parameters.items() if name not in zeros}
    fixed = {**found.fixed, **zeros}  # on the boundary of the family, as found

    def refit(sample: Spectrum, generator: np.random.Generator) -> Law:
        return fit(
            sample,
            family,
            fix=fixed,
            starts=[start],
            method=found.method,
            beta=beta,
            rng=generator,
            resamples=0,
        ).law

    return refit
