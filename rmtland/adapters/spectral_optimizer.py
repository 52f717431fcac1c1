"""Methods made for a spectrum as PyTorch optimisers: `spectral_optimizer`.

The steps are those of a method of `rmtland.optimizer` (Nesterov's, the heavy ball, Chebyshev's, an
average-case one, of advice): no rate to tune where the curvature is measured on the way, by a few
Lanczos steps from the last eigenvector, or by a `CurvatureMonitor`. With a closure the loss is
known at every step, and the optimiser keeps safe as `rmtland.networks.training.step_control` says:
where the loss has climbed above that of the last start it goes back to the best parameters, halves
its steps and starts anew, and after a few times it falls back to gradient descent.

The parameters hold the extrapolated point (where the gradient is taken), as those of PyTorch's own
Nesterov momentum do.

    import torch
    from rmtland.adapters import from_torch, spectral_optimizer
    from rmtland.optimizer import Nesterov
    operator = from_torch(model.eval(), torch.nn.MSELoss(), (x, y))
    optimizer = spectral_optimizer(
        model.parameters(), Nesterov(1.0), curvature=operator, every=50, restart="loss"
    )
    for _ in range(500):
        optimizer.step(closure)
    final = optimizer.finish(closure)

References
----------
.. [1] Y. Nesterov, Lectures on Convex Optimization, 2nd edition, Springer 2018.
.. [2] F. Pedregosa and D. Scieur, Acceleration through spectral density estimation, ICML 2020,
       arXiv:2002.04756.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from rmtland.adapters.optional import optional
from rmtland.arguments import count
from rmtland.networks.training.step_control import DesignedMethod, StepControl
from rmtland.typing import Array, Operator

if TYPE_CHECKING:
    from rmtland.adapters.monitor import CurvatureMonitor
    from rmtland.adapters.torch_spectral_steps import SpectralOptimizer

__all__ = ["spectral_optimizer"]


def spectral_optimizer(
    params: Iterable[Array],
    method: DesignedMethod,
    *,
    curvature: Operator | CurvatureMonitor | Callable[[], Operator] | None = None,
    every: int | None = None,
    restart: int | str | None = None,
    largest: float | None = None,
    lanczos_steps: int = 4,
    growth: float = 1.2,
    most: float = 100.0,
    strikes: int = 3,
    safeguard: bool = True,
    seed: int = 0,
) -> SpectralOptimizer:
    """Return a PyTorch optimiser that takes the steps of a method made for a spectrum.

    Parameters
    ----------
    params : iterable of tensor, or of dict
        Parameters, or groups of them. ``lr`` of a group, 1 by default, multiplies its steps: what
        a scheduler of PyTorch changes.
    method : Method
        Of `rmtland.optimizer`: ``Nesterov(1.0)``, ``advise(...).method``, ....
    curvature : TorchOperator, anything that multiplies, callable or CurvatureMonitor, optional
        The Hessian at the present parameters (`from_torch`), which is measured on the way, or a
        monitor, whose ``step`` the optimiser then calls.
    every : int, optional
        Steps between measurements of an operator; 50 by default.
    restart : int, "loss" or None, optional
        Start the method anew, without momentum, after so many steps, or each time that the loss has
        risen; never by default.
    largest : float, optional
        Largest curvature that the method was made for; ``method.largest_curvature`` by default.
    lanczos_steps : int, optional
        Products of a measurement; three times as many the first time.
    growth, most : float, optional
        Most that steps grow by from one measurement to the next, and in all.
    strikes : int, optional
        How many times the method is started anew before gradient descent takes over, until the
        curvature is measured again.
    safeguard : bool, optional
        Judge the loss that a closure returns. Not for losses of batches, which rise and fall by
        chance: there call ``look(loss)`` with the full loss now and then.
    seed : int, optional
        Of the random directions that measurements look at.

    Returns
    -------
    torch.optim.Optimizer
        Beside the usual methods it has ``look(loss)``, which judges the present parameters and
        returns whether it went back, ``finish(closure)``, which goes back to the best parameters
        if the last ones are worse and returns the loss, and ``report()``: steps, measured
        curvature, products spent. Its ``state_dict`` resumes bit for bit (the state of a monitor
        is not in it).

    Raises
    ------
    ValueError
        If a number is out of its range, `every` is given without a curvature, or the largest
        curvature that the method was made for is not known; at a step, if the curvature is of other
        parameters than those that move.
    TypeError
        If `lanczos_steps`, `every` or `seed` is no integer.
    ImportError
        If PyTorch is not installed.
    """
    control = StepControl(
        method, restart=restart, largest=largest, growth=growth, most=most, strikes=strikes
    )
    count("lanczos_steps", lanczos_steps)
    if curvature is None and every is not None:
        raise ValueError("every= is for measured curvatures; give curvature=, such as from_torch's")
    if curvature is not None:
        _ = control.design
    interval = count("every", 50 if every is None else every)
    optional("torch", extra="torch")
    from rmtland.adapters.torch_spectral_steps import SpectralOptimizer

    return SpectralOptimizer(
        params,
        control,
        curvature=curvature,
        every=interval,
        lanczos_steps=lanczos_steps,
        safeguard=bool(safeguard),
        seed=count("seed", seed, min_value=0),
    )
