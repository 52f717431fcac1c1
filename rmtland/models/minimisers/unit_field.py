r"""The slope S of a single unit as the maximum of a Gaussian field, in the limit of many samples.

.. math::

    S = \frac{\max_w |G(w)|^2}{n_0 + n_2}, \qquad
    G: R^{n_0} \to R^{n_2},\quad E\,G_i(w) G_j(w') = \delta_{ij}\, k(\cos(w, w'))

on weights of one length. With a unit vector u for the outputs, u.G(w) is a spherical spin glass of
two species of :math:`n_2` and :math:`n_0` spins with covariance :math:`p\,k(q)` of the overlaps.

- **What algorithms reach.** The threshold of Huang & Sellke [1]_ (Subag [2]_ for one species) is

  .. math::

      \sqrt{(n_0 + n_2)\,S} = \max_p \int_0^1
      \sqrt{n_2\, p' k'} + \sqrt{n_0\,(p\,k')'}\;dq

  over increasing p with p(1) = 1: the ascent that goes outwards by orthogonal steps, p and q the
  squared lengths so far. The integral is concave in p; its sums over cells are maximised.
- **What no unit exceeds.** By Sudakov and Fernique's comparison with Z(w) + g.u,
  :math:`\sqrt{(n_0 + n_2) S} \le \sqrt{n_2} + \sqrt{n_0}\,E_0(k)`, with E_0 the ground state of the
  scalar field, at most any value of Chen & Sen's functional [3]_,

  .. math::

      \tfrac12 \Bigl[k'(1) D + \int_0^1 k'\alpha\,dq
      + \int_0^1 \frac{dq}{D + \int_q^1 \alpha}\Bigr],

  :math:`\alpha \ge 0` increasing, D > 0 (Guerra's bound). With :math:`\alpha = 0` it is Chevet's
  :math:`E_0 \le \sqrt{k'(1)}`.

Both are :math:`(\sqrt{n_0} + \sqrt{n_2})^2/(n_0 + n_2)` for the linear unit, the top singular
value: 2 for :math:`n_0 = n_2`, the exponent of Pennington & Bahri's formula. The limit is that of
many samples per input; at m/n = 4 slopes are smaller.

References
----------
.. [1] B. Huang and M. Sellke, Optimization algorithms for multi-species spherical spin glasses,
       arXiv:2308.09672.
.. [2] E. Subag, Following the ground states of full-RSB spherical spin glasses, Comm. Pure Appl.
       Math. 74 (2021) 1021-1044.
.. [3] W.-K. Chen and A. Sen, Parisi formula, disorder chaos and fluctuation for the ground state
       energy in the spherical mixed p-spin models, Comm. Math. Phys. 350 (2017) 129-173.

Examples
--------
>>> field = UnitField("linear", inputs=1.0, outputs=4.0)
>>> round(field.chevet_bound(), 9)  # (1 + 2)^2/5
1.8
>>> found = UnitField("quadratic").reachable_slope()
>>> abs(found.value - 1.5 * 3**0.5) <= found.error < 1e-3
True
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from rmtland.arguments import positive
from rmtland.models.minimisers.unit_kernel import UnitKernel
from rmtland.typing import Real

__all__ = ["Slope", "UnitField"]

_CELLS = (80, 160, 320)


@dataclass(frozen=True)
class Slope:
    """A slope and a bound of its error.

    Made by `rmtland.models.minimisers.UnitField`.

    Parameters
    ----------
    value : float
        S.
    error : float
        The change under refinement of the cells and the gap of the maximisation.
    """

    value: float
    error: float


@dataclass(frozen=True)
class UnitField:
    r"""The Gaussian field of a unit's correlations with noise.

    .. formula:: Slope of one unit, :math:`S = \max_w \lvert G(w)\rvert^2/(n_0 + n_2)`: what ascent
        reaches, what none exceeds

    Parameters
    ----------
    activation : str
        f.
    radius : float
        Length of the weights.
    inputs, outputs : float
        Numbers n0 and n2, or numbers in their ratio.

    Raises
    ------
    ValueError
        If a number is not positive.
    TypeError
        If `inputs` or `outputs` is no real number.
    """

    activation: str
    radius: float = 1.0
    inputs: float = 1.0
    outputs: float = 1.0

    def __post_init__(self) -> None:
        positive("inputs", self.inputs)
        positive("outputs", self.outputs)
        self.kernel.slope(np.ones(1))  # refuses what has no kernel

    @property
    def kernel(self) -> UnitKernel:
        """Its covariance."""
        return UnitKernel(self.activation, self.radius)

    def chevet_bound(self) -> float:
        """Return (sqrt(n2) + sqrt(k'(1) n0))^2/(n0 + n2), which no slope exceeds.

        Returns
        -------
        float
            An upper bound of S.
        """
        return self._bound(float(np.sqrt(self.kernel.slope(np.ones(1))[0])))

    def slope_bound(self) -> float:
        """Return a bound which no slope exceeds, from the scalar field's ground state.

        Returns
        -------
        float
            At most `chevet_bound`.
        """
        return min(self._bound(_ground_state_bound(self.kernel)), self.chevet_bound())

    def _bound(self, ground: float) -> float:
        top = np.sqrt(self.outputs) + np.sqrt(self.inputs) * ground
        return float(top**2 / (self.inputs + self.outputs))

    def reachable_slope(self) -> Slope:
        """Return the slope which ascent by orthogonal steps reaches in the limit.

        Returns
        -------
        Slope
            S, and how far refinement and maximisation may be off.
        """
        heights, gaps = zip(*(self._ascent(cells) for cells in _CELLS), strict=True)
        total = self.inputs + self.outputs
        values = [h**2 / total for h in heights]
        gap = 2 * heights[-1] * gaps[-1] / total
        return Slope(values[-1], abs(values[-1] - values[-2]) + gap)

    def _ascent(self, cells: int) -> tuple[float, float]:
        """Return the maximum of the integral over so many cells, and how much it may lack."""
        q = 1.0 - (1.0 - np.linspace(0.0, 1.0, cells + 1)) ** 2
        k, slope = self.kernel.value(q), self.kernel.slope(q)
        rises, runs = np.diff(k), np.diff(q)
        a, b = np.sqrt(self.outputs), np.sqrt(self.inputs)

        def height(steps: Real) -> tuple[float, Real]:
            """Return the sum and its derivative in the steps of p, the first one p(0)."""
            p = np.cumsum(steps)
            grown = np.maximum(np.diff(p * slope), 1e-300)
            first, second = np.sqrt(steps[1:] * rises), np.sqrt(runs * grown)
            by_grown = 0.5 * b * second / grown
            by_p = np.zeros(cells + 1)
            by_p[1:] += by_grown * slope[1:]
            by_p[:-1] -= by_grown * slope[:-1]
            by_step = np.cumsum(by_p[::-1])[::-1]
            by_step[1:] += 0.5 * a * first / steps[1:]
            return float(a * first.sum() + b * second.sum()), by_step

        def negative(logs: Real) -> tuple[float, Real]:
            steps = _softmax(logs)
            value, by_step = height(steps)
            return -value, -steps * (by_step - steps @ by_step)

        options = {"maxiter": 20000, "maxfun": 30000, "ftol": 1e-15, "gtol": 1e-10}
        found = minimize(
            negative, np.zeros(cells + 1), jac=True, method="L-BFGS-B", options=options
        )
        steps = _softmax(found.x)
        value, by_step = height(steps)
        return value, float(by_step.max() - steps @ by_step)  # concave: the gap is a bound


def _softmax(logs: Real) -> Real:
    weights = np.exp(logs - logs.max())
    steps: Real = np.maximum(weights / weights.sum(), 1e-30)
    return steps


def _ground_state_bound(kernel: UnitKernel, cells: int = 60) -> float:
    """Return the least value found of Chen & Sen's functional, an upper bound of E_0."""
    q = 1.0 - (1.0 - np.linspace(0.0, 1.0, cells + 1)) ** 2
    rises, runs = np.diff(kernel.value(q)), np.diff(q)
    last = float(kernel.slope(np.ones(1))[0])

    def functional(logs: Real) -> tuple[float, Real]:
        parts = np.exp(logs)
        rest, heights = parts[0], np.cumsum(parts[1:])
        tail = np.append(np.cumsum((heights * runs)[::-1])[::-1], 0.0) + rest
        logs_ = np.log(tail[:-1] / tail[1:])
        value = 0.5 * (last * rest + heights @ rises + (logs_ / heights).sum())
        near, far = 1.0 / (heights * tail[:-1]), 1.0 / (heights * tail[1:])
        by_height = rises - logs_ / heights**2
        by_height += runs * (np.cumsum(near) - np.append(0.0, np.cumsum(far)[:-1]))
        by_part = np.append(last + (near - far).sum(), np.cumsum(by_height[::-1])[::-1])
        return value, 0.5 * parts * by_part

    start = np.full(cells + 1, -6.0)
    start[0] = -0.5 * np.log(last)
    found = minimize(
        functional, start, jac=True, method="L-BFGS-B", bounds=[(-16.0, 16.0)] * (cells + 1)
    )
    return float(found.fun)
