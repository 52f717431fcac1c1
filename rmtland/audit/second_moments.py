r"""Second moments of a second layer and of residuals, shrunk, and which of them chance makes.

The matrix Dyson equation takes residuals e, shape (m, n_out), as Gaussian with the covariance

.. math:: \operatorname{E} e_{\mu i} e_{\nu j} = K_{\mu\nu} C_{ij} ,

K between samples, C between outputs, and iid where both are multiples of the identity. At one
point e is measured once, so that one of the two must be simple. Which of them applies is tested,
each against resamples of the residuals at hand that keep all the other allows:

- **between samples**: the share of e in the span of the inputs. Independent symmetric samples keep
  their law if each has its sign changed, whatever their sizes and whatever the covariance between
  outputs (a randomisation test [1]_).
- **between outputs**: tr C^2 n_out/(tr C)^2 - 1 of the measured C = e^T e/m (John's statistic),
  where the inputs explain more than chance of the part of e that they do not span. Independent
  outputs of equal variance keep their law if the numbers of every sample are permuted and have
  their signs changed, whatever the sizes of the samples.
- **unequal samples**: the spread of the samples' sums of ranks of |e|, output by output. Samples of
  one law keep it if the numbers of every output are permuted, whatever their tails, in axes in
  which outputs are not correlated. With one output unequal samples are not told from tails: there
  it is the spread of the squares, against that of Gaussian samples.

If both of the first two reject, the one under which e has the greater Gaussian likelihood, less
Schwarz's penalty for its parameters, is taken. The probability of any rejection for iid residuals,
Gaussian ones if there is one output, is at most `SIGNIFICANCE`, and so is that of the wrong
covariance where only one is there.

What is measured is an average over few numbers (n_out for a covariance between samples, m for one
between outputs), and what chance makes of it would be counted twice, as the model lets W2 and
residuals fluctuate about it. It is therefore shrunk towards equal values by the least mean square
error, as Ledoit and Wolf [2]_ do.

References
----------
.. [1] E. L. Lehmann and J. P. Romano, Testing Statistical Hypotheses, 3rd edition, Springer 2005,
       chapter 15.
.. [2] O. Ledoit and M. Wolf, A well-conditioned estimator for large-dimensional covariance
       matrices, J. Multivariate Anal. 88 (2004) 365-411.

Examples
--------
>>> import numpy as np
>>> covariance, kept = shrunk_covariance(np.random.default_rng(0).normal(size=(200, 3)))
>>> bool(kept < 0.5), bool(abs(covariance - np.eye(3)).max() < 0.2)
(True, True)
>>> rng = np.random.default_rng(1)
>>> found = residual_covariance(rng.normal(size=(40, 3)), rng.normal(size=(40, 1)) * np.ones(4))
>>> found.kind.value, found.p_values["outputs"] < 0.01
('outputs', True)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from rmtland.arguments import float_array
from rmtland.arrays import to_numpy
from rmtland.networks import LossPoint
from rmtland.typing import ArrayLike, Real, Record

__all__ = [
    "SIGNIFICANCE",
    "CovarianceKind",
    "ResidualCovariance",
    "SecondMoments",
    "residual_covariance",
    "shrunk_covariance",
    "shrunk_squares",
]

SIGNIFICANCE = 0.01
"""Probability that iid residuals are given a covariance."""

_TESTS = ("samples", "outputs", "sizes")
_RESAMPLES = 599  # two of 600 are a third of a per cent
_STREAM = 20170806  # resamples of the same residuals are the same from call to call
_WORKSPACE = 2**22  # numbers of one batch of resamples


class CovarianceKind(Enum):
    """What the residuals of a network have in common."""

    IID = "iid"
    SIZES = "sizes"
    SAMPLES = "samples"
    OUTPUTS = "outputs"

    @property
    def sentence(self) -> str:
        """The kind in plain words."""
        return {
            "iid": "residuals of equal variance, independent of each other",
            "sizes": "samples with residuals of unequal size",
            "samples": "residuals correlated between samples",
            "outputs": "residuals correlated between outputs, or of unequal size there",
        }[self.value]


@dataclass(frozen=True, eq=False)
class ResidualCovariance:
    """Covariance of residuals relative to their mean square: K between samples, C between outputs.

    Made by `rmtland.audit.residual_covariance`.

    Parameters
    ----------
    kind : CovarianceKind
        Which of them is not a multiple of the identity.
    samples : ndarray, shape (m,) or (m, m)
        Relative mean squares, or K; of mean diagonal 1.
    outputs : ndarray of shape (n_out, n_out), or None
        C of mean diagonal 1; None for the identity.
    kept : float
        Share of what was measured that shrinking leaves, 0 for iid residuals.
    p_values : dict
        By test: "samples", "outputs", "sizes"; those that could not be made are left out.
    """

    kind: CovarianceKind
    samples: Real
    outputs: Real | None
    kept: float
    p_values: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> Record:
        """Return plain values, for JSON.

        Returns
        -------
        dict of str to values
            Nested dictionaries and lists of plain values.
        """
        return {"kind": self.kind.value, "kept": self.kept, "p_values": dict(self.p_values)}


@dataclass(frozen=True, eq=False)
class SecondMoments:
    """Shrunk second moments of a point of one hidden layer.

    Parameters
    ----------
    second_layer : ndarray, shape (n1, n1)
        Covariance of the rows of W2.
    second_layer_kept : float
        Share of what was measured beyond equal variances that is kept.
    residuals : ResidualCovariance
        Of the residuals.
    mean_square : float
        Of the residuals: 2 epsilon.
    """

    second_layer: Real
    second_layer_kept: float
    residuals: ResidualCovariance
    mean_square: float

    @classmethod
    def of_point(cls, point: LossPoint) -> SecondMoments:
        """Measure the second moments of a point of one hidden layer.

        Parameters
        ----------
        point : LossPoint
            One hidden layer, no biases.

        Returns
        -------
        SecondMoments
        """
        net = point.net
        second = to_numpy(net.unflatten(point.theta)[1]).astype(np.float64)
        covariance, kept = shrunk_covariance(second)
        e = to_numpy(point.residuals).astype(np.float64)
        found = residual_covariance(to_numpy(point.x).astype(np.float64), e)
        return cls(covariance, kept, found, float((e**2).mean()))

    def iid(self) -> SecondMoments:
        """Return the same mean squares without any difference or correlation."""
        n1, m = len(self.second_layer), len(self.residuals.samples)
        size = float(np.trace(self.second_layer)) / n1
        equal = ResidualCovariance(CovarianceKind.IID, np.ones(m), None, 0.0)
        return SecondMoments(size * np.eye(n1), 0.0, equal, self.mean_square)

    @property
    def are_iid(self) -> bool:
        """Whether nothing beyond mean squares is kept."""
        return self.second_layer_kept == 0 and self.residuals.kind is CovarianceKind.IID


def shrunk_covariance(rows: ArrayLike) -> tuple[Real, float]:
    """Second moments of rows of mean 0, shrunk towards a multiple of the identity.

    Parameters
    ----------
    rows : array_like, shape (n, k)
        Independent rows.

    Returns
    -------
    (ndarray of shape (k, k), float)
        The estimate (1 - b) trace/k + b rows^T rows/n, and b in [0, 1]: what is kept, 0 where
        equal variances make differences as large within three standard errors.
    """
    array = float_array("rows", rows, ndim=2)
    n, k = array.shape
    # what chance makes of equal variances, and its relative deviation
    chance = (k * k + k - 2) / (n + 2 / k)
    slack = np.sqrt(4 / max(k * k + k - 2, 1))
    sample, size, spread, noise = _spread(array)
    kept = _kept(spread, noise) if spread > size**2 * chance * (1 + 3 * slack) else 0.0
    return kept * sample + (1 - kept) * size * np.eye(k), kept


def shrunk_squares(residuals: ArrayLike) -> tuple[Real, float]:
    """Mean squares of residuals by sample, relative to the mean of all, shrunk towards 1.

    The spread expected of Gaussian residuals of equal variance, 2/n_out, is taken as noise.

    Parameters
    ----------
    residuals : array_like, shape (m, n_out)

    Returns
    -------
    (ndarray of shape (m,), float)
        Weights of mean 1, and the share of the deviations that is kept.
    """
    e = float_array("residuals", residuals, ndim=2)
    squares = _relative_squares(e)
    if len(e) < 2 or not e.any():
        return np.ones(len(e)), 0.0
    noise = 2 / e.shape[1] * float((squares**2).mean()) / (1 + 2 / e.shape[1])
    kept = _kept(float(squares.var(ddof=1)), noise)
    return 1 + kept * (squares - 1), kept


def residual_covariance(x: ArrayLike, residuals: ArrayLike) -> ResidualCovariance:
    """Decide which covariance residuals have, and estimate it.

    Parameters
    ----------
    x : array_like, shape (m, n_in)
        Inputs.
    residuals : array_like, shape (m, n_out)
        Of the network on these inputs, sample by sample.

    Returns
    -------
    ResidualCovariance
        The covariance chosen, and its estimate.

    Raises
    ------
    ValueError
        If the arrays are not of two dimensions or differ in their numbers of samples.
    TypeError
        If `residuals` or `x` holds no real numbers.
    """
    e = float_array("residuals", residuals, ndim=2)
    inputs = float_array("x", x, ndim=2)
    m = len(e)
    if len(inputs) != m:
        raise ValueError(
            f"x and residuals must have a row for each sample; got {len(inputs)} and {m} rows"
        )
    iid = ResidualCovariance(CovarianceKind.IID, np.ones(m), None, 0.0)
    if m < 2 or not e.any():
        return iid
    left, sizes, _ = np.linalg.svd(inputs)
    rank = int(np.count_nonzero(sizes > 1e-10 * sizes[0])) if sizes[0] > 0 else 0
    basis, rest = left[:, :rank], left[:, rank:]
    rng = np.random.default_rng(_STREAM)
    level = SIGNIFICANCE / len(_TESTS)
    p_values: dict[str, float] = {}
    if 0 < rank < m:
        p_values["samples"] = _samples_test(basis, e, rng)
    explained = p_values.get("samples", 1.0) <= level
    beyond = rest.T @ e if explained else e
    unexplained = np.linalg.norm(beyond) > 1e-8 * np.linalg.norm(e)
    if e.shape[1] > 1 and len(beyond) > 1 and unexplained:
        p_values["outputs"] = _outputs_test(beyond, rng)
    correlated = p_values.get("outputs", 1.0) <= level
    if explained:
        covariance = _between_samples(basis, e)
        if not correlated or _prefers_samples(e, covariance, rank):
            return ResidualCovariance(CovarianceKind.SAMPLES, covariance, None, 1.0, p_values)
    outputs, kept = _between_outputs(e) if correlated else (None, 0.0)
    if outputs is not None and kept > 0:
        return ResidualCovariance(CovarianceKind.OUTPUTS, np.ones(m), outputs, kept, p_values)
    p_values["sizes"] = _sizes_test(e, rng, correlated=correlated)
    if p_values["sizes"] <= level:
        weights, kept = shrunk_squares(e)
        if kept > 0:
            return ResidualCovariance(CovarianceKind.SIZES, weights, None, kept, p_values)
    return ResidualCovariance(iid.kind, iid.samples, None, 0.0, p_values)


# Estimates ---------------------------------------------------------------------------------------


def _between_samples(basis: Real, e: Real) -> Real:
    """K: that of the coefficients on the inputs, and equal variances beyond them."""
    m, n_out = e.shape
    rank = basis.shape[1]
    coefficients = basis.T @ e
    inner = _shrunk(coefficients.T)[0]
    outer = float((e**2).sum() - (coefficients**2).sum()) / (n_out * (m - rank))
    inside = basis @ basis.T
    covariance = max(outer, 0.0) * (np.eye(m) - inside) + basis @ inner @ basis.T
    return np.asarray(covariance * (m / float(np.trace(covariance))))


def _between_outputs(e: Real) -> tuple[Real, float]:
    """C of mean diagonal 1, and what shrinking keeps of it."""
    covariance, kept = _shrunk(e)
    return np.asarray(covariance * (e.shape[1] / float(np.trace(covariance)))), kept


def _shrunk(rows: Real) -> tuple[Real, float]:
    sample, size, spread, noise = _spread(rows)
    kept = _kept(spread, noise)
    return kept * sample + (1 - kept) * size * np.eye(len(sample)), kept


def _spread(rows: Real) -> tuple[Real, float, float, float]:
    """Second moments, their mean diagonal, squared distance from equal ones, and its noise."""
    n, k = rows.shape
    sample = rows.T @ rows / n
    size = float(np.trace(sample)) / k
    spread = float(((sample - size * np.eye(k)) ** 2).sum())
    noise = float(((rows**2).sum(axis=1) ** 2).sum() / n - (sample**2).sum()) / n
    return sample, size, spread, max(noise, 0.0)


def _kept(spread: float, noise: float) -> float:
    """Share of differences that is not noise."""
    return max(0.0, 1 - noise / spread) if spread > 0 else 0.0


def _relative_squares(e: Real) -> Real:
    squares = (e**2).mean(axis=-1)
    mean = squares.mean(axis=-1, keepdims=True)
    return np.asarray(squares / np.where(mean > 0, mean, 1.0))


def _prefers_samples(e: Real, covariance: Real, rank: int) -> bool:
    """Compare Gaussian likelihoods of e with K alone and with C alone, by Schwarz's criterion."""
    m, n_out = e.shape
    outputs = _between_outputs(e)[0]
    size = float((e**2).mean())
    penalty = np.log(m * n_out)
    samples_misfit = _deviance(covariance * size, e) + penalty * rank * (rank + 1) / 2
    outputs_misfit = _deviance(outputs * size, e.T) + penalty * n_out * (n_out + 1) / 2
    return bool(samples_misfit <= outputs_misfit)


def _deviance(covariance: Real, columns: Real) -> float:
    """Minus twice the logarithm of the Gaussian density of independent columns, less constants."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 1e-12 * values[-1])
    squares = ((vectors.T @ columns) ** 2).sum(axis=1)
    return float(columns.shape[1] * np.log(values).sum() + (squares / values).sum())


# Tests: p-values from resamples of the residuals at hand -----------------------------------------


def _samples_test(basis: Real, e: Real, rng: np.random.Generator) -> float:
    """Share of e in the span of the inputs, under changes of sign of whole samples."""
    quadratic = (basis @ basis.T) * (e @ e.T)
    signs = rng.choice([-1.0, 1.0], size=(_RESAMPLES, len(e)))
    resampled = np.sum((signs @ quadratic) * signs, axis=1)
    return _p_value(float(quadratic.sum()), resampled)


def _outputs_test(e: Real, rng: np.random.Generator) -> float:
    """John's statistic under permutations and changes of sign within samples."""
    resampled = [
        _sphericity(
            rng.permuted(np.broadcast_to(e, (size, *e.shape)), axis=2)
            * rng.choice([-1.0, 1.0], size=(size, *e.shape))
        )
        for size in _batches(e.size)
    ]
    return _p_value(float(_sphericity(e)), np.concatenate(resampled))


def _sizes_test(e: Real, rng: np.random.Generator, *, correlated: bool) -> float:
    """Spread of the sizes of samples: ranks under permutations, of one number each mean squares."""
    from scipy.stats import rankdata  # scipy.stats loads at first use

    m, n_out = e.shape
    if n_out == 1:
        squares = np.concatenate([rng.chisquare(1.0, size=(size, m)) for size in _batches(m)])
        spread = (squares / squares.mean(axis=1, keepdims=True)).var(axis=1)
        return _p_value(float(_relative_squares(e).var()), spread)
    if correlated:
        e = e @ np.linalg.eigh(e.T @ e)[1]
    ranks = rankdata(np.abs(e), axis=0)
    resampled = [
        rng.permuted(np.broadcast_to(ranks, (size, m, n_out)), axis=1).sum(axis=2).var(axis=1)
        for size in _batches(e.size)
    ]
    return _p_value(float(ranks.sum(axis=1).var()), np.concatenate(resampled))


def _batches(size: int) -> list[int]:
    """Numbers of resamples that are made at once."""
    batch = max(1, min(_RESAMPLES, _WORKSPACE // size))
    full, left = divmod(_RESAMPLES, batch)
    return [batch] * full + [left] * (left > 0)


def _sphericity(e: Real) -> Real:
    moments = e.swapaxes(-1, -2) @ e
    trace = np.trace(moments, axis1=-2, axis2=-1)
    return np.asarray((moments**2).sum(axis=(-2, -1)) * e.shape[-1] / trace**2 - 1)


def _p_value(value: float, resampled: Real) -> float:
    """Share of resamples, the measured one included, that are as large."""
    larger = int(np.count_nonzero(resampled >= value * (1 - 1e-12)))
    return (1 + larger) / (1 + resampled.size)
