r"""What the Hessian at a point says in a few numbers, each with its error.

With eigenvalues lambda_i and a tolerance t (times the largest modulus) up to which they count as
zero:

- trace, lambda_max, lambda_min;
- the condition number of the positive part, lambda_max over the least eigenvalue above t, with how
  many were left out (zeros and negative ones);
- the effective dimension, sum of lambda/(lambda + z) over the positive eigenvalues, for a damping z
  (Maddox, Benton and Wilson 2020: degrees of freedom);
- flat directions (moduli up to t), negative ones, and the rank.

Up to `EXACT_SIZE` parameters the matrix is diagonalised and errors are those of rounding; beyond,
`rmtland.estimate` measures all but the condition number, whose least eigenvalue no product finds:
that is bounded from below by lambda_max over the second Ritz value above t, below which an
eigenvalue lies.

References
----------
.. [1] W. J. Maddox, G. Benton and A. G. Wilson, Rethinking parameter counting in deep models:
       effective dimensionality revisited, arXiv:2003.02139.

Examples
--------
>>> import numpy as np
>>> from rmtland.landscape.surface import FunctionSurface
>>> values = np.array([-1.0, 0.0, 0.5, 4.0])
>>> toy = FunctionSurface(4, lambda t: (0.5 * t @ (values * t), values * t),
...                       lambda t: np.diag(values))
>>> found = curvature(toy, np.zeros(4), damping=0.5)
>>> found.condition.value, found.flat.value, found.negative.value, found.rank.value
(8.0, 1.0, 1.0, 3.0)
>>> round(found.effective_dimension.value, 12)  # 1/2 + 8/9
1.388888888889
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rmtland.arguments import count, nonnegative, positive
from rmtland.estimate import (
    extremal_eigenpairs,
    krylov_quadratures,
    symmetric_operator,
    trace,
)
from rmtland.estimate.index import estimated_mass
from rmtland.estimate.radau import gauss
from rmtland.landscape.sharpness.ball import EXACT_SIZE
from rmtland.landscape.surface import LossSurface
from rmtland.landscape.surface.surface import parameter_vector
from rmtland.typing import Real, Rng

__all__ = ["Bracketed", "Curvature", "curvature"]


class Bracketed(NamedTuple):
    """A number and the interval it lies in.

    Parameters
    ----------
    value : float
        The number.
    low, high : float
        Ends of the interval: rounding where the matrix was diagonalised, else 95 %.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Curvature:
    """The Hessian at a point in a few numbers.

    Made by `rmtland.landscape.sharpness.curvature`.

    Parameters
    ----------
    size : int
        The number p of parameters.
    exact : bool
        Whether the matrix was diagonalised.
    trace, lambda_max, lambda_min : Bracketed
        Sum of the eigenvalues, the largest, the least.
    condition : Bracketed
        Of the positive part; an estimate is a lower bound, with ``high`` infinite.
    left_out : int or None
        Eigenvalues that are not in the condition number, where they were counted.
    effective_dimension : Bracketed
        For `damping`.
    flat, negative, rank : Bracketed
        Numbers of eigenvalues of modulus up to `zero`, below -zero, and the others.
    zero, damping : float
        Absolute tolerance and damping.
    gap : float or None
        Least modulus above `zero` over the largest below, where the matrix was diagonalised: a
        small one says that `rank` and `flat` hang on the tolerance.
    eigenvalues : ndarray or None
        All of them, where the matrix was diagonalised.
    """

    size: int
    exact: bool
    trace: Bracketed
    lambda_max: Bracketed
    lambda_min: Bracketed
    condition: Bracketed
    left_out: int | None
    effective_dimension: Bracketed
    flat: Bracketed
    negative: Bracketed
    rank: Bracketed
    zero: float
    damping: float
    gap: float | None
    eigenvalues: Real | None


def curvature(
    surface: LossSurface,
    theta: Real,
    *,
    tolerance: float = 1e-6,
    damping: float | None = None,
    probes: int = 10,
    steps: int = 60,
    rng: Rng = None,
) -> Curvature:
    """Measure the Hessian at a point.

    Parameters
    ----------
    surface : LossSurface
        The loss.
    theta : ndarray, shape (p,)
        Where.
    tolerance : float, optional
        Eigenvalues of modulus up to that times the largest modulus count as zero.
    damping : float, optional
        z of the effective dimension; a thousandth of the largest eigenvalue by default.
    probes, steps : int, optional
        Of the estimates, beyond `EXACT_SIZE` parameters.
    rng : optional
        Anything `numpy.random.default_rng` takes.

    Returns
    -------
    Curvature
        Numbers with their intervals.

    Raises
    ------
    ValueError
        For a tolerance outside [0, 1), a damping that is not positive, parameters of another shape,
        or a Hessian that is zero.
    TypeError
        If the surface is none, `tolerance` or `damping` is no real number, `probes` or `steps` is
        no integer, or `theta` holds no real numbers.
    """
    tolerance = nonnegative("tolerance", tolerance)
    if tolerance >= 1.0:
        raise ValueError(
            f"tolerance must be below 1: no eigenvalue exceeds the largest; got {tolerance:g}"
        )
    damping = None if damping is None else positive("damping", damping)
    center = parameter_vector(surface, "theta", theta)
    probes, steps = count("probes", probes, min_value=2), count("steps", steps, min_value=2)
    if surface.size <= EXACT_SIZE:
        values = np.asarray(np.linalg.eigvalsh(surface.hessian(center)), dtype=np.float64)
        return _exact(values, tolerance, damping)
    return _estimated(surface, center, tolerance, damping, probes, steps, rng)


def _exact(values: Real, tolerance: float, damping: float | None) -> Curvature:
    size, largest = len(values), float(np.abs(values).max())
    if largest == 0.0:
        raise ValueError("the Hessian is zero at this point: it has no condition number and rank")
    error = float(np.finfo(float).eps) * math.sqrt(size) * largest * 4.0
    zero = max(tolerance * largest, 2.0 * error)
    z = _damping(damping, float(values[-1]), largest)
    positives = values[values > zero]
    moduli = np.sort(np.abs(values))
    flat = int((moduli <= zero).sum())
    below = moduli[flat - 1] if flat else 0.0
    gap = float(moduli[flat] / below) if below > 0.0 else np.inf

    def around(value: float, off: float) -> Bracketed:
        return Bracketed(value, value - off, value + off)

    def counted(numbers: Real, above: float) -> Bracketed:
        return Bracketed(*(float((numbers > above + off).sum()) for off in (0.0, error, -error)))

    condition = Bracketed(np.nan, np.nan, np.nan)
    if positives.size:
        top, least = float(positives[-1]), float(positives[0])
        surely, maybe = (
            float(values[values > zero + off].min(initial=top)) for off in (error, -error)
        )
        low = max(1.0, (top - error) / (surely + error))
        condition = Bracketed(top / least, low, (top + error) / (maybe - error))
    rank = counted(moduli, zero)
    kept = np.maximum(values, 0.0)
    return Curvature(
        size=size,
        exact=True,
        trace=around(float(values.sum()), error * size),
        lambda_max=around(float(values[-1]), error),
        lambda_min=around(float(values[0]), error),
        condition=condition,
        left_out=size - positives.size,
        effective_dimension=around(float((kept / (kept + z)).sum()), size * error / z),
        flat=Bracketed(size - rank.value, size - rank.high, size - rank.low),
        negative=counted(-values, zero),
        rank=rank,
        zero=zero,
        damping=z,
        gap=gap,
        eigenvalues=values,
    )


def _estimated(
    surface: LossSurface,
    center: Real,
    tolerance: float,
    damping: float | None,
    probes: int,
    steps: int,
    rng: Rng,
) -> Curvature:
    operator = symmetric_operator(surface.operator(center))
    size = surface.size
    ends = extremal_eigenpairs(operator, 1, which="both", tol=1e-4, rng=rng)
    (low, high), (low_off, high_off) = ends.values.tolist(), ends.residuals.tolist()
    largest = max(abs(low), abs(high))
    if largest == 0.0:
        raise ValueError("the Hessian is zero at this point: it has no condition number and rank")
    zero, z = tolerance * largest, _damping(damping, high, largest)
    total = trace(operator, products=max(2, probes * steps // 4), rng=rng)
    found = krylov_quadratures(operator, probes=probes, steps=steps, rng=rng, progress=False)
    rules = [gauss(tridiagonal) for tridiagonal in found.tridiagonals]
    kept = [(np.maximum(nodes, 0.0), weights) for nodes, weights in rules]
    dimensions = size * np.array([(w * (n / (n + z))).sum() for n, w in kept])
    from scipy.stats import t as student  # scipy.stats loads at first use

    spread = float(student.ppf(0.975, probes - 1) * dimensions.std(ddof=1) / math.sqrt(probes))
    mean = float(dimensions.mean())
    # between two Ritz values lies an eigenvalue: the second one above zero is a bound
    seconds = [np.sort(nodes[nodes > zero])[:2] for nodes, _ in rules]
    least = min((float(pair[1]) for pair in seconds if len(pair) == 2), default=high)
    rounding = 4.0 * float(np.finfo(operator.dtype).eps) * math.sqrt(size) * largest
    below, above = (estimated_mass(found, operator, x, None, 0.95) for x in (-zero, zero))
    negative = Bracketed(*(size * v for v in (below.value, *below.interval)))
    not_above = Bracketed(*(size * v for v in (above.value, *above.interval)))
    flat = Bracketed(
        max(0.0, not_above.value - negative.value),
        max(0.0, not_above.low - negative.high),
        max(0.0, not_above.high - negative.low),
    )
    condition = Bracketed(np.nan, np.nan, np.nan)
    if high > zero:
        condition = Bracketed(high / least, max(1.0, (high - rounding) / least), np.inf)
    error = 2.0 * total.standard_error
    return Curvature(
        size=size,
        exact=False,
        trace=Bracketed(total.value, total.value - error, total.value + error),
        lambda_max=Bracketed(high, high - rounding, high + high_off + rounding),
        lambda_min=Bracketed(low, low - low_off - rounding, low + rounding),
        condition=condition,
        left_out=None,
        effective_dimension=Bracketed(mean, mean - spread, mean + spread),
        flat=flat,
        negative=negative,
        rank=Bracketed(size - flat.value, size - flat.high, size - flat.low),
        zero=zero,
        damping=z,
        gap=None,
        eigenvalues=None,
    )


def _damping(damping: float | None, high: float, largest: float) -> float:
    if damping is not None:
        return damping
    return 1e-3 * (high if high > 0.0 else largest)
