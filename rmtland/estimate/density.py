r"""Spectral density of a matrix known by its products: quadratures with errors and brackets.

Two routes lead from random probes v to the spectral measure, the mean of
:math:`\mu_v = \sum_i |u_i^* v|^2 \delta_{\lambda_i} / |v|^2`:

- ``"lanczos"`` (stochastic Lanczos quadrature, SLQ [1]_): the Gauss quadrature of k steps has 2k
  moments of :math:`\mu_v` right, and its weights bracket the distribution function (Chebyshev,
  Markov and Stieltjes);
- ``"kpm"`` (kernel polynomial method [2]_): 2k Chebyshev moments, damped by Jackson's kernel, as
  weights on Chebyshev nodes. It needs no basis, has a resolution of :math:`\pi/2k` of half the
  range, and no bracket.

Outliers can be deflated: with d eigenpairs known, probes are drawn from the complement, and the
eigenvalues stand in the spectrum with their weights 1/p.

Synonyms: density of states (DOS), empirical spectral distribution.

References
----------
.. [1] S. Ubaru, J. Chen and Y. Saad, Fast estimation of tr(f(A)) via stochastic Lanczos quadrature,
       SIAM J. Matrix Anal. Appl. 38 (2017) 1075-1099.
.. [2] A. Weisse, G. Wellein, A. Alvermann and H. Fehske, The kernel polynomial method, Rev. Mod.
       Phys. 78 (2006) 275-306.

Examples
--------
>>> import numpy as np
>>> values = np.linspace(-1.0, 3.0, 5000)
>>> spectrum = spectral_density(lambda v: values * v, size=5000, probes=4, steps=20, rng=0)
>>> spectrum
Spectrum(4 runs of 20 nodes in [-0.988538, 2.99039], dimension 5000, 'function <lambda>')
>>> abs(spectrum.mean() - 1.0) < 0.05
True
"""

from __future__ import annotations

import warnings
from typing import Unpack

import numpy as np

from rmtland.arguments import choice, count, positive
from rmtland.estimate.beta_law import equivalent_draws
from rmtland.estimate.bounds import distance_bounds
from rmtland.estimate.chebyshev import jackson_quadrature
from rmtland.estimate.deflation import deflated_operator
from rmtland.estimate.extremal import extremal_eigenpairs
from rmtland.estimate.lanczos import Tridiagonal
from rmtland.estimate.operators import SymmetricOperator, symmetric_operator
from rmtland.estimate.probes import KrylovOptions, KrylovQuadratures, ProbeRuns
from rmtland.estimate.progress import Interrupted
from rmtland.estimate.radau import Brackets, gauss
from rmtland.spectrum import Spectrum
from rmtland.streams import streams
from rmtland.typing import Operator, Real, Rng
from rmtland.version import installed_version

__all__ = ["quadrature_spectrum", "spectral_density"]


def spectral_density(
    operator: Operator,
    *,
    probes: int = 10,
    steps: int = 80,
    rng: Rng = None,
    method: str = "lanczos",
    deflate: int = 0,
    accuracy: float | None = None,
    max_products: int | None = None,
    size: int | None = None,
    **options: Unpack[KrylovOptions],
) -> Spectrum:
    """Estimate the spectral measure of a symmetric operator.

    .. formula:: Stochastic Lanczos quadrature; kernel polynomials

    Parameters
    ----------
    operator : anything that multiplies
        See `symmetric_operator`.
    probes : int, optional
        Gaussian probes, each a run of the spectrum.
    steps : int, optional
        Products of each.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    method : {"lanczos", "kpm"}, optional
        Gauss quadratures, or Chebyshev moments with Jackson's kernel.
    deflate : int, optional
        Number of eigenvalues of largest modulus that are computed and taken apart.
    accuracy : float, optional
        Wanted a posteriori bound of the Wasserstein distance to the true spectrum
        (`distance_bounds`), in units of the eigenvalues: steps and probes are added until it is
        reached, or `max_products` spent.
    max_products : int, optional
        End of that; twenty times the products of the beginning by default.
    size : int, optional
        Order of the matrix, for a function.
    **options
        Of `krylov_quadratures`: together, reorthogonalize, basis, checkpoint, executor, progress.

    Returns
    -------
    Spectrum
        Nodes and weights, a row a probe; `errors`, the standard errors of the distribution function
        (of the mean over probes) at the nodes, from the law of the probes; and for "lanczos"
        `brackets`, the bounds that the quadratures leave to the mean distribution function of
        these probes, and without deflation the Jacobi matrices, from which `distribution_band`,
        `distance_bounds` and `smooth_density` work.

    Raises
    ------
    Interrupted
        On Ctrl-C; `partial` holds the spectrum by then.
    ValueError, TypeError
        For an operator that is none, or options out of range or of the other method.
    MemoryError
        If the basis does not fit.

    Warns
    -----
    UserWarning
        If the accuracy is not reached.

    See Also
    --------
    rmtland.estimate.smooth_density : a curve with errors.
    rmtland.estimate.distribution_band : its distribution function.
    rmtland.comparison.measure : with index, eigenvalues and fits.
    """
    found = symmetric_operator(operator, size=size)
    probes, steps = count("probes", probes), count("steps", steps)
    choice("method", method, ("lanczos", "kpm"))
    deflate = count("deflate", deflate, min_value=0)
    if deflate >= found.size:
        raise ValueError(f"deflate must be below the size {found.size}; got {deflate}")
    wanted = None if accuracy is None else positive("accuracy", accuracy)
    budget = None if max_products is None else count("max_products", max_products)
    if wanted is not None and (deflate or method == "kpm"):
        raise ValueError("accuracy goes with method='lanczos' and without deflation")
    if method == "kpm":
        if deflate:
            raise ValueError("deflate goes with method='lanczos'")
        unused = [name for name in options if name != "progress"]
        if unused:
            raise TypeError(f"{', '.join(unused)}: for method='lanczos' only, 'kpm' has no basis")
        return jackson_quadrature(found, probes=probes, steps=steps, rng=rng)
    outliers: Real = np.empty(0)
    if deflate:
        # a stream of its own, so that the probes are those of the same call without deflation
        rng, start = (rng, 0) if rng is None else streams(rng, 2)
        pairs = extremal_eigenpairs(found, deflate, which="magnitude", rng=start)
        outliers, found = pairs.values, deflated_operator(found, pairs.vectors)
    try:
        with ProbeRuns(found, rng=rng, keep=wanted is not None, **options) as runs:
            runs.add(probes, steps)
            spectrum = quadrature_spectrum(runs.quadratures(), found, outliers)
            limit = 20 * probes * steps if budget is None else budget
            while wanted is not None and distance_bounds(spectrum).wasserstein > wanted:
                if not _refine(runs, spectrum, limit):
                    reached = distance_bounds(spectrum).wasserstein
                    warnings.warn(
                        f"the Wasserstein bound is {reached:.3g} after {limit} products, "
                        f"{wanted:.3g} was asked for; give more max_products",
                        UserWarning,
                        stacklevel=2,
                    )
                    break
                spectrum = quadrature_spectrum(runs.quadratures(), found, outliers)
            return spectrum
    except Interrupted as error:
        if error.partial is not None:
            error.partial = quadrature_spectrum(error.partial, found, outliers)
        raise


def _refine(runs: ProbeRuns, spectrum: Spectrum, limit: int) -> bool:
    """Add steps or probes, whichever narrows the bound more; say whether there was room."""
    bounds = distance_bounds(spectrum)
    probes, steps = spectrum.nodes.shape
    if bounds.truncation > bounds.sampling and steps < runs.operator.size:
        steps = min(steps + max(1, steps // 2), runs.operator.size)
        if probes * steps > limit:
            return False
        runs.extend(steps)
        return True
    more = min(probes, limit // steps - probes)
    if more < 1:
        return False
    runs.add(more, steps)
    return True


def quadrature_spectrum(
    found: KrylovQuadratures, operator: SymmetricOperator, outliers: Real
) -> Spectrum:
    """Return the Gauss quadratures of probes as a Spectrum, with errors and brackets at its nodes.

    Parameters
    ----------
    found : KrylovQuadratures
        Jacobi matrices of Gaussian probes.
    operator : SymmetricOperator
        What they belong to.
    outliers : ndarray
        Eigenvalues that were taken apart.

    Returns
    -------
    Spectrum
        A row a probe.
    """
    tridiagonals = found.tridiagonals
    steps = max(len(one.alpha) for one in tridiagonals)
    if steps < found.size and any(t.is_exhausted and len(t.alpha) == steps for t in tridiagonals):
        steps += 1  # a column of zeros says that the Krylov space has ended
    nodes, weights = np.empty((len(tridiagonals), steps)), np.zeros((len(tridiagonals), steps))
    alpha, beta = np.zeros_like(nodes), np.zeros((len(tridiagonals), steps - 1))
    for run, one in enumerate(tridiagonals):
        length = len(one.alpha)
        nodes[run, :length], weights[run, :length] = gauss(one)
        nodes[run, length:] = nodes[run, length - 1]
        alpha[run, :length], beta[run, : length - 1] = one.alpha, one.beta[:-1]
    low, high = _mean_brackets(tridiagonals, nodes)
    share = 1.0
    if outliers.size:
        share = 1 - outliers.size / found.size
        own = np.broadcast_to(outliers, (len(nodes), outliers.size))
        nodes = np.concatenate([nodes, own], axis=1)
        weights = np.concatenate([share * weights, np.full(own.shape, 1 / found.size)], axis=1)
        below = (1 - share) * _counted_below(outliers, nodes)
        low, high = (
            np.clip(share * end + below, 0.0, 1.0) for end in _mean_brackets(tridiagonals, nodes)
        )
    middle = (low + high) / 2
    inside = np.clip((middle - (1 - share) * _counted_below(outliers, nodes)) / share, 0.0, 1.0)
    draws = equivalent_draws(
        size=found.size - outliers.size, probes=found.probes, is_complex=found.is_complex
    )
    errors = share * np.sqrt(inside * (1 - inside) / draws)
    return Spectrum(
        nodes,
        weights,
        dimension=found.size,
        provenance={
            "source": operator.source,
            "method": "lanczos",
            "probes": found.probes,
            "steps": steps,
            "probe_law": "complex Gaussian" if found.is_complex else "Gaussian",
            "deflated": int(outliers.size),
            "products": found.products,
            "seed": found.seed,
            "rmtland": installed_version(),
        },
        alpha=None if outliers.size else alpha,
        beta=None if outliers.size else beta,
        precision=operator.precision,
        errors=errors,
        brackets=np.stack([low, np.maximum(low, high)], axis=-1),
    )


def _counted_below(outliers: Real, x: Real) -> Real:
    """Return the share of the outliers that are at or below points; 0 where there are none."""
    number = np.searchsorted(np.sort(outliers), x, side="right")
    return np.asarray(number / max(outliers.size, 1))


def _mean_brackets(tridiagonals: list[Tridiagonal], x: Real) -> tuple[Real, Real]:
    """Return the mean over probes of the bounds of the distribution function."""
    low, high = np.zeros_like(x), np.zeros_like(x)
    for one in tridiagonals:
        below, above = Brackets(one).at(x)
        low += below
        high += above
    m = len(tridiagonals)
    return np.clip(low / m, 0.0, 1.0), np.clip(high / m, 0.0, 1.0)
