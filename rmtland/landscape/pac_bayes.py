r"""PAC-Bayes bounds of the error of a network, computed with all their terms.

For a prior P chosen before the data, any posterior Q, n independent samples and the error (0 or 1),
with probability at least 1 - delta over the samples and for all Q at once [1]_ [2]_ [3]_

.. math::
    \mathrm{kl}(\hat r_Q \,\|\, r_Q) \le \frac{\mathrm{KL}(Q \| P) + \ln(2 \sqrt n/\delta)}{n},
    \qquad
    r_Q \le \frac{1 - \exp(-C \hat r_Q - (\mathrm{KL}(Q \| P) + \ln(1/\delta))/n)}{1 - e^{-C}}

(Maurer's form of McAllester's bound, with Pinsker's inequality its square root; Catoni's, for a C
chosen before). Here P = N(theta_0, s^2) about the parameters before training, s from a grid that a
union bound pays for, and Q = N(theta, S) about those after it, with S = (1/s^2 + lambda H)^{-1}:
wide where the Hessian H of the loss is flat, lambda chosen freely. The empirical error of Q is
known from draws [4]_, and bounded from above by the inverse of kl at the share of delta that is
kept for it.

The bound printed in the texts, training error + sqrt((2 rho^2 + log(2 p/delta))/n) for a minimum
with S_rho <= rho, comes from Q = P centred at the trained parameters, a prior that has seen the
data, and a KL between two other Gaussians. It does not know the labels: with random labels, fitted
exactly, it promises a small error where the truth is 1/2.

Synonyms: generalisation bound, flat minima, McAllester, Seeger, Catoni, Langford and Caruana.

References
----------
.. [1] D. A. McAllester, PAC-Bayesian model averaging, COLT 1999.
.. [2] A. Maurer, A note on the PAC Bayesian theorem, arXiv:cs/0411099.
.. [3] O. Catoni, PAC-Bayesian supervised classification, IMS Lecture Notes 56, 2007.
.. [4] G. K. Dziugaite and D. M. Roy, Computing nonvacuous generalization bounds for deep
       (stochastic) neural networks with many more parameters than training data, UAI 2017.

Examples
--------
>>> round(kl_inverse(0.0, 0.1), 6) == round(1 - math.exp(-0.1), 6)
True
>>> 0.1 < seeger(0.1, 5.0, 100, 0.05) < mcallester(0.1, 5.0, 100, 0.05)
True
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from rmtland.arguments import count, entries, float_array, instance, positive
from rmtland.arrays import to_numpy
from rmtland.drawing import COLORS, by_name, given_axes
from rmtland.landscape.kl_bounds import (
    catoni,
    chance_of_failure,
    kl_inverse,
    mcallester,
    printed_bound,
    seeger,
)
from rmtland.networks import MLP, LossPoint
from rmtland.streams import streams
from rmtland.typing import ArrayLike, Logical, Real, Rng

if TYPE_CHECKING:
    from matplotlib.artist import Artist

__all__ = [
    "GaussianPosterior",
    "PacBayesBounds",
    "catoni",
    "draw_bounds",
    "kl_inverse",
    "mcallester",
    "pac_bayes_bounds",
    "printed_bound",
    "seeger",
]

PRIOR_SCALES = tuple(float(2.0**-k) for k in range(8))
"""Standard deviations s of priors: a union bound is paid for all of them."""


@dataclass(frozen=True, eq=False)
class GaussianPosterior:
    """A normal law of parameters, diagonal in a basis, beside an isotropic normal prior.

    Parameters
    ----------
    mean, prior_mean : ndarray, shape (p,)
        Centres of Q and P.
    variances : ndarray, shape (p,)
        Of Q along the directions.
    directions : ndarray, shape (p, p)
        Orthonormal columns.
    prior_scale : float
        Standard deviation of P.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a variance or `prior_scale` is not positive and finite.
    TypeError
        If they are not real numbers.
    """

    mean: Real
    prior_mean: Real
    variances: Real
    directions: Real
    prior_scale: float

    def __post_init__(self) -> None:
        """Refuse what is no pair of normal laws: KL would be a NaN."""
        for name in ("mean", "prior_mean", "variances"):
            object.__setattr__(self, name, float_array(name, getattr(self, name), ndim=1))
        p = self.mean.size
        shapes = (self.prior_mean.shape, self.variances.shape, np.shape(self.directions))
        if shapes != ((p,), (p,), (p, p)):
            raise ValueError(
                f"prior_mean, variances and directions must have the shapes {(p,)}, {(p,)} and "
                f"{(p, p)}; got {shapes[0]}, {shapes[1]} and {shapes[2]}"
            )
        if self.variances.min() <= 0:
            raise ValueError(f"variances must be positive; got {self.variances.min():g}")
        positive("prior_scale", self.prior_scale)

    @property
    def kl(self) -> float:
        """KL(Q || P), all terms of it."""
        ratio = self.variances / self.prior_scale**2
        shift = float(np.linalg.norm((self.mean - self.prior_mean) / self.prior_scale)) ** 2
        return 0.5 * (float((ratio - 1.0 - np.log(ratio)).sum()) + shift)

    def draw(self, normal: Real) -> Real:
        """Return parameters from standard normal numbers.

        Parameters
        ----------
        normal : ndarray, shape (k, p)
            Independent normal numbers.

        Returns
        -------
        ndarray, shape (k, p)
            One draw a row.
        """
        return np.asarray(self.mean + (normal * np.sqrt(self.variances)) @ self.directions.T)


@dataclass(frozen=True, eq=False)
class PacBayesBounds:
    """Bounds of the error of the posterior, beside what is found on held-out data.

    Made by `rmtland.landscape.pac_bayes.pac_bayes_bounds`.

    Parameters
    ----------
    training, held_out : float
        Errors of the trained network itself; held-out NaN without such data.
    posterior_training, posterior_held_out : float
        Errors of draws from Q.
    empirical : float
        Upper bound of the training error of Q that the draws give.
    posterior : GaussianPosterior
        Q and P.
    seeger, mcallester, catoni : float
        The bounds, for Q.
    printed : float
        What the texts print, for the trained network.
    samples, delta : int, float
        n, and the probability that a bound fails.
    draws : int
        Draws from Q.
    """

    training: float
    held_out: float
    posterior_training: float
    posterior_held_out: float
    empirical: float
    posterior: GaussianPosterior
    seeger: float
    mcallester: float
    catoni: float
    printed: float
    samples: int
    delta: float
    draws: int

    def __repr__(self) -> str:
        return (
            f"PacBayesBounds(KL {self.posterior.kl:.4g} at n = {self.samples}: Q errs on "
            f"{self.posterior_training:.3f} in training, {self.posterior_held_out:.3f} held out, "
            f"at most {self.seeger:.3f}; printed {self.printed:.3f})"
        )


def pac_bayes_bounds(
    net: MLP,
    theta: ArrayLike,
    prior_mean: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    *,
    held_out: tuple[ArrayLike, ArrayLike] | None = None,
    rho: float = 0.05,
    delta: float = 0.05,
    draws: int = 1000,
    rng: Rng = None,
) -> PacBayesBounds:
    r"""Bound the error of a classifier by PAC-Bayes, with a posterior shaped by the Hessian.

    .. formula:: PAC-Bayes, :math:`\mathrm{kl}(\hat r \Vert r) \le (\mathrm{KL}(Q \Vert P) + \ln(2
        \sqrt n/\delta))/n`

    Parameters
    ----------
    net : MLP
        A network with the loss "logistic" (one output) or "cross_entropy".
    theta : array_like, shape (p,)
        Trained parameters.
    prior_mean : array_like, shape (p,)
        Parameters before training: they must not depend on the data.
    x, y : array_like
        Training data; y are 0 and 1, or labels.
    held_out : (x, y), optional
        Data that were not used.
    rho : float, optional
        Flatness in the printed bound.
    delta : float, optional
        Probability that a bound fails; a tenth is kept for the draws.
    draws : int, optional
        Draws from Q.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    PacBayesBounds
        The bounds, and all that enters them.

    Raises
    ------
    ValueError
        For another loss, targets that do not fit it, held out ones too, or a delta outside (0, 1).
    TypeError
        If `net` is no MLP, `draws` is no integer, or `prior_mean` holds no real numbers.
    """
    instance("net", net, MLP, "an MLP")
    if net.loss not in ("logistic", "cross_entropy") or (net.loss == "logistic" and net.n_out != 1):
        raise ValueError(
            "bounds are of the error of a classifier: loss 'logistic' with one output, or "
            f"'cross_entropy'; got {net}"
        )
    delta = chance_of_failure(delta)
    point = net.at(theta, x, y)
    here, centre = np.asarray(point.theta), float_array("prior_mean", prior_mean, ndim=1)
    if centre.shape != here.shape:
        raise ValueError(f"prior_mean must have {here.size} entries; got {centre.size}")
    if float(np.abs(here - centre).max()) > 1e140:
        raise ValueError(
            "theta is so far from prior_mean that the KL divergence overflows; take the start of "
            "training for prior_mean"
        )
    if held_out is not None and len(entries("held_out", held_out)) != 2:
        raise ValueError("held_out must be data (x, y)")
    away_point = None if held_out is None else net.at(theta, *held_out)
    values, vectors = np.linalg.eigh(np.asarray(point.hessian("total")))
    curved = np.maximum(values - net.weight_decay, 0.0)
    n, many = point.data.size, count("draws", draws)
    few, final = (
        stream.standard_normal((size, here.size))
        for stream, size in zip(streams(rng, 2), (16, many), strict=True)
    )
    share = delta * 0.9 / len(PRIOR_SCALES)
    best: tuple[float, GaussianPosterior] | None = None
    for scale in PRIOR_SCALES:
        for strength in n * np.geomspace(1e-2, 1e3, 11):
            variances = 1.0 / (1.0 / scale**2 + strength * curved)
            trial = GaussianPosterior(here, centre, variances, vectors, scale)
            least = seeger(0.0, trial.kl, n, share)
            if best is not None and least >= best[0]:
                continue
            risk = float(_wrong(net, point, trial.draw(few)).mean())
            bound = seeger(risk, trial.kl, n, share)
            if best is None or bound < best[0]:
                best = bound, trial
    assert best is not None
    chosen = best[1]
    thetas = chosen.draw(final)
    risk = float(_wrong(net, point, thetas).mean())
    empirical = kl_inverse(risk, math.log(2.0 / (0.1 * delta)) / many)
    single = here[None]
    training = float(_wrong(net, point, single).mean())
    away = [math.nan, math.nan]
    if away_point is not None:
        away = [float(_wrong(net, away_point, which).mean()) for which in (single, thetas)]
    return PacBayesBounds(
        training=training,
        held_out=away[0],
        posterior_training=risk,
        posterior_held_out=away[1],
        empirical=empirical,
        posterior=chosen,
        seeger=seeger(empirical, chosen.kl, n, share),
        mcallester=mcallester(empirical, chosen.kl, n, share),
        catoni=catoni(empirical, chosen.kl, n, share),
        printed=printed_bound(training, rho, here.size, n, delta),
        samples=n,
        delta=delta,
        draws=many,
    )


def _wrong(net: MLP, point: LossPoint, thetas: Real) -> Logical:
    """Return which samples of a point are misclassified, shape (k, m)."""
    targets = np.asarray(to_numpy(point.y))
    found = np.empty((len(thetas), len(targets)), dtype=bool)
    for i, theta in enumerate(thetas):
        outputs = np.asarray(to_numpy(point.at(theta).prediction))
        if net.loss == "logistic":
            found[i] = (outputs[:, 0] > 0) != (targets[:, 0] > 0.5)
        else:
            found[i] = outputs.argmax(axis=1) != targets.argmax(axis=1)
    return found


def draw_bounds(ax: Axes, found: Mapping[str, PacBayesBounds]) -> list[Artist]:
    """Draw errors and bounds as points on a line for each set of labels.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    found : mapping of str to PacBayesBounds
        By what the labels are.

    Returns
    -------
    list of Artist
        One for each kind of number.

    Raises
    ------
    TypeError
        If what is to be drawn, or the axes, are something else.
    """
    given_axes(ax)
    by_name("found", found, PacBayesBounds)
    kinds = (
        ("training", "network, training", "o", COLORS[0]),
        ("held_out", "network, held out", "D", COLORS[0]),
        ("posterior_held_out", "posterior, held out", "D", COLORS[1]),
        ("seeger", "bound: inverse of kl", ">", COLORS[3]),
        ("catoni", "bound: Catoni", "^", COLORS[4]),
        ("mcallester", "bound: McAllester", "s", COLORS[5]),
        ("printed", "printed in the texts", "x", COLORS[6]),
    )
    places = np.arange(len(found))[::-1]
    drawn: list[Artist] = []
    for i, (name, label, marker, color) in enumerate(kinds):
        values = [min(float(getattr(one, name)), 1.05) for one in found.values()]
        shifts = places + 0.06 * (i - 3)
        drawn += ax.plot(values, shifts, marker, color=color, ms=6, ls="", label=label)
    ax.axvline(1.0, color="0.8", lw=0.8)
    ax.set_yticks(places, list(found))
    ax.set_ylim(-0.6, len(found) - 0.4)
    ax.set_xlim(-0.02, 1.08)
    ax.set_xlabel("error (share of samples misclassified)")
    ax.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=3)
    return drawn
