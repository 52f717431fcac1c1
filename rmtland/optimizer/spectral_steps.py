r"""Training with methods made for a spectrum: a step rule for `rmtland.networks.train`.

A method of this room has its coefficients from curvatures; `SpectralSteps` takes its steps in
training, kept safe where those curvatures are not the true ones: where the loss has climbed above
that of the last start, the run goes back to the best point, halves the steps and starts the method
anew, and after a few times falls back to gradient descent. It ends at the best point that it has
seen, which is never worse than the start.

With ``every`` the largest curvature is measured on the way, by a few Lanczos steps from the last
eigenvector, and the steps follow it: a method then needs no tuning. The measured value plus its
residual takes the place of the largest curvature that the method was made for
(`Method.largest_curvature`). Steps grow by at most a fifth from one measurement to the next and a
hundredfold in all, since under cross-entropy the curvature tends to 0.

References
----------
.. [1] Y. Nesterov, Lectures on Convex Optimization, 2nd edition, Springer 2018.
.. [2] F. Pedregosa and D. Scieur, Acceleration through spectral density estimation, ICML 2020,
       arXiv:2002.04756.

Examples
--------
Nesterov's method without a step size to tune:

>>> from rmtland.networks import MLP, gaussian, train
>>> from rmtland.optimizer import Nesterov
>>> data, net = gaussian(20, 5, rng=0), MLP((5, 5, 5))
>>> rule = SpectralSteps(Nesterov(1.0), every=20, restart="loss")
>>> result = train(net, net.init(rng=1), data.x, data.y, method=rule, max_steps=200)
>>> result.energy < net.at(net.init(rng=1), data.x, data.y).energy
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rmtland.arguments import count
from rmtland.arrays import array_namespace, placed, to_numpy
from rmtland.estimate import symmetric_operator
from rmtland.estimate.leading_pair import leading_pair
from rmtland.networks.training.step_control import StepControl
from rmtland.optimizer.methods import Method
from rmtland.typing import Array, Record

if TYPE_CHECKING:
    from rmtland.networks.loss_point import LossPoint

__all__ = ["SpectralSteps"]


@dataclass(frozen=True)
class SpectralSteps:
    """A step rule from curvatures: ``train(..., method=SpectralSteps(...))``.

    Parameters
    ----------
    method : Method
        Nesterov's, a tuned or an average-case one, of advice (``advise(...).method``), ....
    every : int, optional
        Measure the largest curvature at the first look, and at the first one after so many steps
        again and again; never by default: the coefficients are then those of the method.
    restart : int, "loss" or None, optional
        Start the method anew, without momentum, after so many steps, or each time that the loss has
        risen at a look; never by default.
    largest : float, optional
        Largest curvature that the method was made for; ``method.largest_curvature`` by default.
    lanczos_steps : int, optional
        Products of a measurement; three times as many the first time.
    growth, most : float, optional
        Most that steps grow by from one measurement to the next, and in all.
    strikes : int, optional
        How many times the method is started anew before gradient descent takes over, until the
        curvature is measured again.
    seed : int, optional
        Of the random directions that measurements look at.

    Raises
    ------
    ValueError
        If a number is out of its range, or curvatures are to be measured and `largest` is not
        known.
    TypeError
        If the method has no coefficients.
    """

    method: Method
    every: int | None = None
    restart: int | str | None = None
    largest: float | None = None
    lanczos_steps: int = 4
    growth: float = 1.2
    most: float = 100.0
    strikes: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        count("lanczos_steps", self.lanczos_steps)
        count("seed", self.seed, min_value=0)
        control = self._made()
        if self.every is not None:
            count("every", self.every)
            _ = control.design
        object.__setattr__(self, "_control", control)

    @property
    def control(self) -> StepControl:
        """Coefficients and safeguard."""
        found: StepControl = self._control  # type: ignore[attr-defined]
        return found

    @property
    def judges(self) -> bool:
        """Whether looks at the loss matter to it: yes."""
        return True

    def start(self, theta: Array) -> Record:
        """Return the state before the first step.

        Parameters
        ----------
        theta : array, shape (p,)
            The parameters.

        Returns
        -------
        dict
            Arrays and numbers by name; "products" counts those of measurements, "curvature" is
            the last one measured.
        """
        zeros = array_namespace(theta).zeros_like(theta)
        counts = {"products": 0, "measurements": 0, "measured_at": -1}
        vectors = {"velocity": zeros, "best": theta, "leading": zeros}
        return {**self.control.start(), **counts, **vectors}

    def step(self, theta: Array, gradient: Array, state: Record) -> Array:
        """Return the next parameters; the state is brought forward.

        Parameters
        ----------
        theta, gradient : array, shape (p,)
            The extrapolated point, and the gradient there.
        state : dict
            What `start` returned; changed in place.

        Returns
        -------
        array, shape (p,)
            The next extrapolated point.
        """
        step, momentum, ahead, after = self.control.coefficients(state)
        old = state["velocity"]
        state["velocity"] = momentum * old - step * gradient
        self.control.advance(state)
        if after or ahead:
            theta = theta - ahead * old + after * state["velocity"]
        return theta + state["velocity"]

    def look(self, point: LossPoint | None, state: Record) -> Array | None:
        """Judge a point, and measure the curvature there where it is time to.

        Parameters
        ----------
        point : LossPoint or None
            The point; None where the loss overflows.
        state : dict
            What `start` returned; changed in place.

        Returns
        -------
        array, shape (p,), or None
            The parameters to go back to; None to stay.
        """
        verdict = self.control.judge(np.inf if point is None else float(point.loss), state)
        if verdict in ("back", "restart"):
            state["velocity"] = array_namespace(state["best"]).zeros_like(state["best"])
        if verdict == "back":
            return state["best"]
        assert point is not None
        if verdict == "best":
            state["best"] = point.theta
        due = state["measured_at"] < 0 or state["steps"] >= state["measured_at"] + (self.every or 0)
        if self.every is not None and due:
            self._measure(point, state)
        return None

    def end(self, point: LossPoint, state: Record) -> Array | None:
        """Return the best parameters seen where the last ones are not.

        Parameters
        ----------
        point : LossPoint
            The last point looked at.
        state : dict
            What `start` returned.

        Returns
        -------
        array, shape (p,), or None
            None where the last point is the best.
        """
        return None if point.loss <= state["best_loss"] else state["best"]

    def settings(self) -> Record:
        """Return what a checkpoint must agree with.

        Returns
        -------
        dict
            JSON-able; of the method its name and first 64 coefficients.
        """
        coefficients = [np.asarray(part).tolist() for part in self.method.coefficients(64)]
        named = {
            name: getattr(self, name)
            for name in (
                "every",
                "restart",
                "largest",
                "lanczos_steps",
                "growth",
                "most",
                "strikes",
                "seed",
            )
        }
        return named | {"method": repr(self.method), "coefficients": coefficients}

    def _made(self) -> StepControl:
        return StepControl(
            self.method,
            restart=self.restart,
            largest=self.largest,
            growth=self.growth,
            most=self.most,
            strikes=self.strikes,
        )

    def _measure(self, point: LossPoint, state: Record) -> None:
        """Bring the largest curvature up to date: of an upper end, the value plus its residual."""
        operator = symmetric_operator(point.operator(), check=False)
        generator = np.random.default_rng([self.seed, state["measurements"]])
        last = to_numpy(state["leading"]).astype(np.float64) if state["measurements"] else None
        pair = leading_pair(
            operator, last, self.lanczos_steps, generator.standard_normal(operator.size)
        )
        state["leading"] = placed(pair.vector, point.theta)
        state["measurements"] += 1
        state["measured_at"] = state["steps"]
        state["products"] += pair.products
        self.control.measured(pair.value + pair.residual, state)
