r"""Zero eigenvalues of a one-hidden-layer Hessian: how many there are, and the atom of its law.

The matrix Dyson equation is that of a matrix whose random entries are replaced by free semicircular
elements. Its kernel, like the kernel of any matrix that is linear in such elements, has an integer
dimension [1]_: the atom at zero is

.. math:: \mu(\{0\}) = \lim_{\eta \to 0} -\eta \operatorname{Im} G(i \eta) = k / P ,

k = P less the (inner) rank of the matrix over the free skew field. It is at most the number of zero
eigenvalues of one matrix drawn with Gaussian entries, and mostly equal to it: fewer samples than
inputs, dead units, one unit, H0 and H1 alone, no residuals. As
:math:`-\eta \operatorname{Im} G(i \eta)` falls with eta and is never below the atom, the equation
itself tells where k is smaller, as it is for constant slopes of an odd number of units.

The rank does not depend on the size of the entries: it is counted with inputs replaced, unit by
unit, by an orthonormal basis of those on which the unit is active, and with H1 as large as H0.
Eigenvalues between rounding and what is clearly not zero are counted as the error of the atom.

References
----------
.. [1] T. Mai, R. Speicher and S. Yin, The free field: realization via unbounded operators and
       Atiyah property, J. Funct. Anal. 285 (2023), no. 5, 110016.
.. [2] J. Hoffmann, T. Mai and R. Speicher, Computing the noncommutative inner rank by means of
       operator-valued free probability theory, arXiv:2308.03667 (2023).

Examples
--------
>>> import numpy as np
>>> from rmtland.models import DysonHessian
>>> rng = np.random.default_rng(0)
>>> w, x = rng.normal(size=(3, 5)), rng.normal(size=(2, 5))
>>> model = DysonHessian.of_first_layer(w, x, outputs=2, epsilon=0.0, activation="tanh")
>>> float(atom_at_zero(model).value * model.parameter_count)  # 21 parameters, 4 residuals
17.0
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rmtland.models.dyson.fixed_points import SolvedStates
from rmtland.models.dyson.gaussian_hessians import GaussianHessian, drawn_hessian
from rmtland.solution import Solution, Status
from rmtland.typing import ArrayLike, Real

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    class DysonEquation(GaussianHessian, DataclassInstance, Protocol):
        """What is needed of a model: `DysonHessian`."""

        def mean(self) -> float: ...
        def var(self) -> float: ...
        def solve(
            self, z: ArrayLike, *, throw: bool = ..., states: SolvedStates | None = ...
        ) -> Solution: ...


__all__ = ["LARGEST", "atom_at_zero", "input_basis", "input_rank", "null_count"]

LARGEST = 4096
"""Number of parameters up to which a matrix is drawn and its zero eigenvalues are counted."""

_ZERO = 1e-12
_CLEAR = 1e-8
_SEED = 0x5EED
_HEIGHTS = 12
_FALL = 6.0
_ROUNDING = 0.01
_CONFIRMED = 2e-3  # eigenvalues seen besides those at zero
_NEAR = 0.25  # of them at the lowest height
_EMPTY = 1e-4  # mass that a height sees where there is no atom
_UNKNOWN = 1e-2


def input_rank(x: Real) -> int:
    """Dimension of what the samples span.

    Parameters
    ----------
    x : ndarray, shape (m, n0)
        Samples.

    Returns
    -------
    int
    """
    return int(np.linalg.matrix_rank(x)) if x.size else 0


def input_basis(x: Real) -> Real:
    """Orthonormal basis of what samples span, filled up with zero columns.

    Parameters
    ----------
    x : ndarray, shape (m, n0)
        Samples.

    Returns
    -------
    ndarray, shape (n0, n0)
        Orthonormal columns, as many as the rank, and zeros.
    """
    basis = np.zeros((x.shape[1], x.shape[1]))
    if x.size:
        _, sizes, rows = np.linalg.svd(x, full_matrices=False)
        rank = int((sizes > sizes[0] * max(x.shape) * np.finfo(float).eps).sum())
        basis[:, :rank] = rows[:rank].T
    return basis


def null_count(model: DysonEquation) -> tuple[int, int]:
    """Zero eigenvalues of a matrix drawn from the ensemble that the equation speaks of.

    Parameters
    ----------
    model : DysonHessian
        With coupling "full" or "units".

    Returns
    -------
    (int, int)
        Their number, and how many eigenvalues besides them are not clearly different from zero.
    """
    active = model.slopes != 0
    if model.curvatures is not None:
        active = active | (model.curvatures != 0)
    inputs = np.stack([_whitened(model.x, row) for row in active])
    plain = replace(
        model,
        features=_scaled(model.features),
        epsilon=0.5 if model.epsilon else 0.0,
        second_layer=_scaled(model.second_layer),
        residual_weights=_scaled(model.residual_weights),
    )
    rng = np.random.default_rng(_SEED)
    total = np.zeros((model.parameter_count,) * 2)
    for name in ("gauss_newton", "residual"):
        if model.part_name in (name, "total"):
            part = replace(plain, part_name=name)
            matrix = drawn_hessian(part, rng, inputs=inputs, apart=model.coupling == "units")
            total += _scaled(matrix)
    sizes = np.abs(np.linalg.eigvalsh(total))
    largest = float(sizes.max())
    if not largest:
        return sizes.size, 0
    count = int((sizes <= _ZERO * largest).sum())
    return count, int((sizes <= _CLEAR * largest).sum()) - count


def _scaled(array: Real) -> Real:
    """Array whose largest entry has the modulus 1, unless all are zero."""
    return np.asarray(array / (np.abs(array).max() or 1.0))


def _whitened(x: Real, active: Real) -> Real:
    """Express inputs in a basis in which the active ones are orthonormal, shape (n0, m)."""
    white = np.zeros_like(x.T)
    if active.any():
        _, sizes, rows = np.linalg.svd(x[active], full_matrices=False)
        rank = int((sizes > sizes[0] * max(x.shape) * np.finfo(float).eps).sum())
        white[:rank] = (rows[:rank] / sizes[:rank, None]) @ x.T
    return white


def atom_at_zero(model: DysonEquation) -> Solution:
    """Mass of the law of an equation at zero, with its error.

    Parameters
    ----------
    model : DysonHessian
        The equation. With free slopes, or more than `LARGEST` parameters, the limit of
        -eta Im G(i eta) is extrapolated, and its last change is the error.

    Returns
    -------
    Solution
        `value` and `error` of shape (), at least 0.
    """
    if model.coupling == "free_slopes" or model.parameter_count > LARGEST:
        return _extrapolated(model)
    count, doubt = null_count(model)
    if count + doubt > 0 and count < model.parameter_count:
        return _confirmed(model, count, doubt)
    zero, value = np.zeros(()), np.array(count / model.parameter_count)
    return Solution(value, Status.CONVERGED, zero, np.zeros((), dtype=np.int64), zero)


def _confirmed(model: DysonEquation, count: int, doubt: int) -> Solution:
    """Compare a number of zero eigenvalues with what the equation sees from heights that fall."""
    size = model.parameter_count
    height = 1e-3 * float(np.hypot(model.mean(), np.sqrt(model.var())))
    steps, excess = 0, np.inf
    states = SolvedStates()
    while steps < _HEIGHTS:
        solution = model.solve(1j * height, throw=False, states=states)
        if not solution.converged:
            break
        steps += 1
        seen = -height * complex(solution.value).imag * size
        if seen < count - _ROUNDING:  # the free elements have a kernel of smaller dimension
            count = int(seen + _ROUNDING)
        excess = seen - count
        if excess < _CONFIRMED:
            break
        height /= _FALL
    error = max(doubt, excess if excess >= _NEAR else 0.0) / size
    return Solution(
        np.array(count / size),
        Status.CONVERGED if error < _UNKNOWN else Status.NOT_CONVERGED,
        np.array(height),
        np.array(steps),
        np.array(min(error, 1.0)),
    )


def _extrapolated(model: DysonEquation) -> Solution:
    """Limit of -eta Im G(i eta) from heights that fall by factors of 4."""
    height = 1e-3 * float(np.hypot(model.mean(), np.sqrt(model.var())))
    last, guess, change, steps, mass = np.inf, np.inf, np.inf, 0, np.inf
    states = SolvedStates()
    while steps < _HEIGHTS:
        solution = model.solve(1j * height, throw=False, states=states)
        if not solution.converged:
            break
        steps += 1
        mass = -height * complex(solution.value).imag
        before, guess = guess, (_FALL * mass - last) / (_FALL - 1)
        change = abs(guess - before)
        if mass < _EMPTY or change < 1e-6:
            break
        height, last = height / _FALL, mass
    settled = change < 0.02 * guess  # a power of the height tells nothing
    value = guess if settled and mass >= _EMPTY else 0.0
    error = change if settled else mass
    return Solution(
        np.array(min(max(value, 0.0), 1 - 1e-9)),
        Status.CONVERGED if error < _UNKNOWN else Status.NOT_CONVERGED,
        np.array(height),
        np.array(steps),
        np.array(error),
    )
