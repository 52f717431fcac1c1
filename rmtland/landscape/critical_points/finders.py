r"""Finders of critical points: ways to walk from a start to a zero of the gradient.

With gradient g, Hessian H and step s:

- `CappedNewton`: :math:`s = -H^{-1} g`, shortened to a given length, and *no merit function*.
  Functions such as :math:`|g|^2` have minima that are no critical points (folds, where H is
  singular along g: the gradient-flat points of Frye et al. [1]_); a walk that never asks whether
  it has improved cannot be trapped there. It wanders until it falls into a basin of quadratic
  convergence. The cap holds for the whole step, or for its part along each eigenvector of H.
- `LevenbergMarquardt`: :math:`s = -H (H^2 + \mu)^{-1} g`, which lowers :math:`|g|^2`.
- `GradientNorm`: minimises :math:`\tfrac12 |g|^2`, whose gradient is H g, by L-BFGS or by gradient
  descent, as Pennington & Bahri [2]_ did.
- `TrustRegionNewton`: :math:`s = -(H + \mu)^{-1} g` with :math:`H + \mu` positive definite and
  the energy as merit function: minima.

`rmtland.landscape.critical_points.unit_groups` has one more, `SymmetryType`.

References
----------
.. [1] C. G. Frye, J. Simon, N. S. Wadia, A. Ligeralde, M. R. DeWeese and K. E. Bouchard, Critical
       point-finding methods reveal gradient-flat regions of deep network losses, Neural
       Computation 33 (2021) 1469-1497, arXiv:2003.10397.
.. [2] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, section 6.

Examples
--------
>>> import numpy as np
>>> class Saddle:  # x^3/3 - x + x y^2: minimum (1, 0), maximum (-1, 0), saddles (0, 1), (0, -1)
...     size = 2
...     def value(self, t):
...         x, y = t
...         return x**3 / 3 - x + x * y * y, np.array([x * x - 1 + y * y, 2 * x * y])
...     def hessian(self, t):
...         x, y = t
...         return 2 * np.array([[x, y], [y, x]])
>>> walk = CappedNewton(cap=0.5).find(Saddle(), np.array([0.3, 1.2]))
>>> walk.theta.round(12) + 0.0, walk.reason
(array([0., 1.]), 'gradient')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from rmtland.arguments import choice, count, float_array, nonnegative, positive
from rmtland.landscape.critical_points.newton_step import last_layer_of, newton_step
from rmtland.landscape.surface import Surface
from rmtland.networks.overflow import squared_norm
from rmtland.typing import Integer, Real, Rng, override

__all__ = [
    "CappedNewton",
    "Finder",
    "GradientNorm",
    "LevenbergMarquardt",
    "TrustRegionNewton",
    "Walk",
    "checked_finder",
]


@dataclass(frozen=True, eq=False)
class Walk:
    """Where a finder ended.

    Made by `rmtland.landscape.critical_points.Finder.find`.

    Parameters
    ----------
    theta : ndarray, shape (p,)
        The parameters.
    steps : int
        Steps taken.
    reason : str
        "gradient" (its square is below the tolerance), "max_steps", "stalled" (no step lowers the
        merit function any more) or "overflow" (it left the range of floating-point numbers;
        `theta` is the last point before that).
    groups : tuple of tuple of int, optional
        Sizes of the groups of equal units, layer by layer, where the finder made them.
    """

    theta: Real
    steps: int
    reason: str
    groups: tuple[tuple[int, ...], ...] | None = None


class Finder(Protocol):
    """A way to look for critical points; its settings are its fields."""

    @property
    def makes_its_start(self) -> bool:
        """Whether it draws its own start, so that none has to be trained."""
        return False

    def find(self, surface: Surface, theta: Real, *, rng: Rng = None) -> Walk:
        """Walk from `theta`.

        Parameters
        ----------
        surface : Surface
            The function.
        theta : ndarray, shape (p,)
            Where to start; not changed.
        rng : optional
            Anything `numpy.random.default_rng` takes, where the finder draws.

        Returns
        -------
        Walk
            Where it ended.

        Raises
        ------
        ValueError
            For a start of another size, or one that is not finite.
        TypeError
            If the surface is none, or the start holds no real numbers.
        """
        ...


def checked_finder(finder: object) -> Finder:
    """Return a finder, or raise TypeError: a text has a method of that name too."""
    if not (hasattr(finder, "find") and hasattr(finder, "makes_its_start")):
        raise TypeError(f"finder must be one such as CappedNewton(); got {finder!r}")
    return cast(Finder, finder)


def _start(surface: Surface, theta: Real) -> Real:
    """Return a copy of a start, or say why it is none: a finder takes errors for overflows."""
    if not all(hasattr(surface, name) for name in ("size", "value", "hessian")):
        raise TypeError(
            "surface must have size, value and hessian, as NetworkSurface.of(net, x, y) does; got "
            f"{type(surface).__name__}"
        )
    start = float_array("theta", theta, ndim=1)
    if start.shape != (surface.size,):
        raise ValueError(f"theta must have {surface.size} entries; got {start.shape[0]}")
    return start.copy()


@dataclass(frozen=True)
class CappedNewton(Finder):
    """Newton's method with a cap on its steps and without a merit function.

    Parameters
    ----------
    cap : float, optional
        Longest step, in the Euclidean norm.
    per : {"step", "mode"}, optional
        Whether the whole step is shortened, or its part along each eigenvector of the Hessian to
        the cap over the square root of p. "mode" costs all eigenvectors at each step, and leaves
        out eigenvalues below 1e-10 of the largest: it works with exact null directions.
    max_steps : int, optional
        Stop after so many.
    tolerance : float, optional
        Stop where the square of the gradient is below this.

    Raises
    ------
    ValueError
        If `cap` is not positive, `per` another name, `max_steps` below 1 or `tolerance` below 0.
    TypeError
        If a setting is no number, or `max_steps` no integer.
    """

    cap: float = 0.8
    per: str = "step"
    max_steps: int = 1000
    tolerance: float = 1e-24

    def __post_init__(self) -> None:
        """Check the settings."""
        positive("cap", self.cap)
        choice("per", self.per, ("step", "mode"))
        count("max_steps", self.max_steps)
        nonnegative("tolerance", self.tolerance)

    @override
    def find(self, surface: Surface, theta: Real, *, rng: Rng = None) -> Walk:
        here, eliminated = _start(surface, theta), last_layer_of(surface)
        for step in range(self.max_steps):
            try:
                gradient = surface.value(here)[1]
                if squared_norm("gradient", gradient) < self.tolerance:
                    return Walk(here, step, "gradient")
                following = here + self._step(surface.hessian(here), gradient, eliminated)
                if not np.isfinite(following).all():
                    return Walk(here, step, "overflow")
            except ValueError:  # the network overflows
                return Walk(here, step, "overflow")
            here = following
        return Walk(here, self.max_steps, "max_steps")

    def _step(self, hessian: Real, gradient: Real, eliminated: Integer | None) -> Real:
        if self.per == "mode":
            return self._capped_modes(hessian, gradient)
        try:
            step = newton_step(hessian, gradient, eliminated)
        except np.linalg.LinAlgError:  # exactly singular
            return self._capped_modes(hessian, gradient)
        length = float(np.linalg.norm(step))
        if length > self.cap:
            step *= self.cap / length
        return step

    def _capped_modes(self, hessian: Real, gradient: Real) -> Real:
        values, vectors = np.linalg.eigh(hessian)
        kept = np.abs(values) > 1e-10 * np.abs(values).max()
        along = -(vectors[:, kept].T @ gradient) / values[kept]
        limit = self.cap / np.sqrt(len(gradient))
        capped: Real = vectors[:, kept] @ np.clip(along, -limit, limit)
        return capped


@dataclass(frozen=True)
class LevenbergMarquardt(Finder):
    """Levenberg-Marquardt on the square of the gradient.

    Parameters
    ----------
    damping : float, optional
        First mu, in the units of the square of the Hessian.
    max_steps : int, optional
        Stop after so many.
    tolerance : float, optional
        Stop where the square of the gradient is below this.

    Raises
    ------
    ValueError
        If `damping` is not positive, `max_steps` below 1 or `tolerance` below 0.
    TypeError
        If a setting is no number, or `max_steps` no integer.
    """

    damping: float = 1e-2
    max_steps: int = 300
    tolerance: float = 1e-26

    def __post_init__(self) -> None:
        """Check the settings."""
        positive("damping", self.damping)
        count("max_steps", self.max_steps)
        nonnegative("tolerance", self.tolerance)

    @override
    def find(self, surface: Surface, theta: Real, *, rng: Rng = None) -> Walk:
        here, damping = _start(surface, theta), self.damping
        gradient = surface.value(here)[1]
        square = squared_norm("gradient", gradient)
        for step in range(self.max_steps):
            if square < self.tolerance:
                return Walk(here, step, "gradient")
            try:
                values, vectors = np.linalg.eigh(surface.hessian(here))
            except ValueError:
                if step == 0:
                    raise
                return Walk(here, step, "overflow")
            with np.errstate(over="ignore"):
                squares = values**2
            along = vectors.T @ gradient
            for _ in range(20):
                trial = here - vectors @ (values / (squares + damping) * along)
                try:
                    new = surface.value(trial)[1]
                    new_square = squared_norm("gradient", new)
                except ValueError:
                    new_square = np.inf
                if new_square < square:
                    break
                damping *= 4.0
            else:
                return Walk(here, step, "stalled")
            foreseen = square - float(np.sum((damping / (squares + damping) * along) ** 2))
            good = foreseen > 0.0 and square - new_square > 0.5 * foreseen
            damping *= 0.2 if good else 1.5
            here, gradient, square = trial, new, new_square
        return Walk(here, self.max_steps, "max_steps")


@dataclass(frozen=True)
class GradientNorm(Finder):
    """Minimises half the square of the gradient.

    Parameters
    ----------
    method : {"lbfgs", "descent"}, optional
        L-BFGS, or gradient descent with a step that is halved until the square falls, and grows by
        a tenth where it does.
    max_steps : int, optional
        Stop after so many.
    tolerance : float, optional
        Stop where the square of the gradient is below this.

    Raises
    ------
    ValueError
        If `method` is another name, `max_steps` below 1 or `tolerance` below 0.
    TypeError
        If a setting is no number, or `max_steps` no integer.
    """

    method: str = "lbfgs"
    max_steps: int = 5000
    tolerance: float = 1e-24

    def __post_init__(self) -> None:
        """Check the settings."""
        choice("method", self.method, ("lbfgs", "descent"))
        count("max_steps", self.max_steps)
        nonnegative("tolerance", self.tolerance)

    @override
    def find(self, surface: Surface, theta: Real, *, rng: Rng = None) -> Walk:
        start = _start(surface, theta)

        def by_matrix(point: Real, vector: Real) -> Real:
            return surface.hessian(point) @ vector

        product = getattr(surface, "product", by_matrix)  # cheaper where there is one

        def merit(point: Real) -> tuple[float, Real]:
            gradient = surface.value(point)[1]
            return 0.5 * squared_norm("gradient", gradient), product(point, gradient)

        walk = self._quasi_newton if self.method == "lbfgs" else self._descent
        here, steps, failed = walk(merit, start)
        if failed == "overflow":
            return Walk(here, steps, failed)
        gradient = surface.value(here)[1]
        if squared_norm("gradient", gradient) < self.tolerance:
            return Walk(here, steps, "gradient")
        return Walk(here, steps, failed)

    def _quasi_newton(self, merit: Merit, start: Real) -> tuple[Real, int, str]:
        from scipy.optimize import minimize

        best = [start]

        def look(intermediate_result: object) -> None:
            best[0] = np.array(intermediate_result.x)  # type: ignore[attr-defined]
            if 2.0 * float(intermediate_result.fun) < self.tolerance:  # type: ignore[attr-defined]
                raise StopIteration

        options = {
            "maxiter": self.max_steps,
            "maxfun": 20 * self.max_steps,
            "maxcor": 20,
            "ftol": 0.0,
            "gtol": 0.0,
        }
        try:
            found = minimize(
                merit, start, jac=True, method="L-BFGS-B", callback=look, options=options
            )
        except ValueError:  # the network overflows
            return best[0], self.max_steps, "overflow"
        return found.x, int(found.nit), "max_steps" if found.nit >= self.max_steps else "stalled"

    def _descent(self, merit: Merit, start: Real) -> tuple[Real, int, str]:
        here, size = start, 0.1
        value, slope = merit(here)
        for step in range(self.max_steps):
            if 2.0 * value < self.tolerance:
                return here, step, "gradient"
            for _ in range(60):
                trial = here - size * slope
                try:
                    new, new_slope = merit(trial)
                except ValueError:
                    new = np.inf
                if new < value:
                    break
                size *= 0.5
            else:
                return here, step, "stalled"
            here, value, slope, size = trial, new, new_slope, 1.1 * size
        return here, self.max_steps, "max_steps"


class Merit(Protocol):
    """Half the square of the gradient, and its own gradient."""

    def __call__(self, point: Real) -> tuple[float, Real]: ...


@dataclass(frozen=True)
class TrustRegionNewton(Finder):
    """Newton's method for minima, with a shift that makes the Hessian positive definite.

    Parameters
    ----------
    max_steps : int, optional
        Stop after so many.
    tolerance : float, optional
        Stop where the square of the gradient is below this.
    longest : float, optional
        Longest step, in the Euclidean norm.

    Raises
    ------
    ValueError
        If `longest` is not positive, `max_steps` below 1 or `tolerance` below 0.
    TypeError
        If a setting is no number, or `max_steps` no integer.
    """

    max_steps: int = 300
    tolerance: float = 1e-26
    longest: float = 4.0

    def __post_init__(self) -> None:
        """Check the settings."""
        count("max_steps", self.max_steps)
        nonnegative("tolerance", self.tolerance)
        positive("longest", self.longest)

    @override
    def find(self, surface: Surface, theta: Real, *, rng: Rng = None) -> Walk:
        here, shift = _start(surface, theta), 1e-3
        value, gradient = surface.value(here)
        square = squared_norm("gradient", gradient)
        hessian: Real | None = None
        for step in range(self.max_steps):
            if square < self.tolerance:
                return Walk(here, step, "gradient")
            if hessian is None:
                try:
                    hessian = surface.hessian(here)
                except ValueError:
                    if step == 0:
                        raise
                    return Walk(here, step, "overflow")
            move, shift = _shifted_step(
                hessian, gradient, shift if square > 1e-12 else min(shift, 1e-12)
            )
            move *= min(1.0, self.longest / max(float(np.linalg.norm(move)), 1e-300))
            with np.errstate(over="ignore", invalid="ignore"):
                foreseen = -float(gradient @ move + 0.5 * (move @ (hessian @ move)))
            trial = here + move
            try:
                new, new_gradient = surface.value(trial)
                new_square = squared_norm("gradient", new_gradient)
            except ValueError:
                new, new_gradient, new_square = np.inf, gradient, np.inf
            ratio = (value - new) / foreseen if foreseen > 0.0 else -1.0
            known = np.isfinite([new, foreseen]).all()
            if known and foreseen < 1e-13 * abs(value):  # the energy has no more digits
                if new_square > square:
                    return Walk(here, step, "stalled")
                ratio = 1.0
            if ratio > 1e-4:
                here, value, gradient, hessian = trial, new, new_gradient, None
                square = new_square
            elif shift > 1e8:
                return Walk(here, step, "stalled")
            shift = max(shift, 1e-10) * (0.2 if ratio > 0.75 else 1.0 if ratio > 0.25 else 4.0)
        return Walk(here, self.max_steps, "max_steps")


def _shifted_step(hessian: Real, gradient: Real, shift: float) -> tuple[Real, float]:
    """Return -(H + shift)^(-1) g and the shift, raised until the matrix is positive definite."""
    from scipy.linalg import lapack

    diagonal = np.diag_indices(len(gradient))
    while True:
        shifted = hessian.copy()
        shifted[diagonal] += shift
        factor, bad = lapack.dpotrf(shifted, lower=1, overwrite_a=1)
        if not bad:
            return -lapack.dpotrs(factor, gradient, lower=1)[0], shift
        shift = max(4.0 * shift, 1e-6)
