r"""A Hessian of finite size: its matrix Dyson law, and what pairings add that cross.

`DysonHessian` knows first layer and data, and holds what depends on them at order 1/n; for H at
positive energy it lacks pairings of W2 with residuals that cross, at any n. `TwoLegHessian` has
those, in the limit. Together

.. math:: G = G_{\text{Dyson}(n)} + \bigl( G_{\text{two legs}} - G_{\text{non-crossing}} \bigr) ,

where the bracket belongs to the sizes and the activation alone, both laws solved with the same
sampled legs (`TwoLegHessian.crossings`). `FiniteSizeHessian` in the place of the first adds its
correction of order 1/n too, where that can be afforded.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.
.. [2] J. A. Mingo and R. Speicher, Free Probability and Random Matrices, Springer, 2017, chapters
       1, 4 and 9: genus expansion, asymptotic freeness, operator-valued equations.

Examples
--------
>>> import numpy as np
>>> from rmtland.models import DysonHessian
>>> rng = np.random.default_rng(0)
>>> first, x = rng.normal(size=(4, 4)) / 2, rng.normal(size=(16, 4))
>>> known = DysonHessian.of_first_layer(first, x, outputs=4, epsilon=0.5, activation="relu")
>>> limit = TwoLegHessian(4, 4, 4, 16, activation="relu", epsilon=0.5, legs=4, draws=2)
>>> density = CrossingCorrectedHessian(known, limit).smoothed_pdf([0.0, 1.0], eta=0.3)
>>> density.shape, bool((density > 0).all())
((2,), True)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rmtland.models.dyson import DysonHessian, FiniteSizeHessian
from rmtland.models.dyson.above_axis import Progress
from rmtland.models.dyson.corrected_model import CorrectedModel
from rmtland.models.smoothed_index import index_from_above, with_doubt
from rmtland.models.two_leg.two_leg_hessian import TwoLegHessian
from rmtland.solution import Solution
from rmtland.typing import ArrayLike, Complex, Real, override

__all__ = ["CrossingCorrectedHessian"]

_SIZES = 1e-6
_LEGS = 1e-9  # tolerance of the legs: density and distribution function agree


@dataclass(frozen=True, eq=False)
class CrossingCorrectedHessian(CorrectedModel):
    """The spectrum of H, given first layer and data, with pairings that cross.

    .. formula:: Matrix Dyson equation with pairings that cross

    Parameters
    ----------
    model : DysonHessian or FiniteSizeHessian
        The law of finite size, of H.
    limit : TwoLegHessian
        Of the same sizes, activation and energy, with legs of about 12 hidden units.

    Raises
    ------
    TypeError
        If one of the two is of another kind.
    ValueError
        If sizes or energies of the two differ, or the model is not of H.

    See Also
    --------
    rmtland.models.TwoLegHessian : the limit.
    """

    model: DysonHessian | FiniteSizeHessian
    limit: TwoLegHessian

    _tolerance: ClassVar[float] = 1e-8
    _no_law: ClassVar[str] = (
        "a law with a correction is known above the axis only, where it need not be a "
        "probability law; take smoothed_pdf, smoothed_cdf or index, or model.law without it"
    )

    def __post_init__(self) -> None:
        if not isinstance(self.model, (DysonHessian, FiniteSizeHessian)):
            raise TypeError(
                f"model must be a DysonHessian or a FiniteSizeHessian; got "
                f"{type(self.model).__name__}"
            )
        if not isinstance(self.limit, TwoLegHessian):
            raise TypeError(f"limit must be a TwoLegHessian; got {type(self.limit).__name__}")
        known = self._known
        if known.part_name != "total":
            raise ValueError(
                f"pairings cross in H alone; the model is of part {known.part_name!r}, take "
                "part('total')"
            )
        n1, m = known.features.shape
        sizes = np.array([known.x.shape[1], n1, known.outputs, m], dtype=float)
        ratios = np.array(self.limit.sizes) * n1 / self.limit.hidden
        if np.abs(ratios / sizes - 1).max() > _SIZES:
            raise ValueError(
                "model and limit must have the same ratios n0 : n1 : n2 : m; got "
                f"{tuple(sizes.astype(int).tolist())} and {self.limit.sizes}"
            )
        if abs(known.epsilon / self.limit.epsilon - 1) > _SIZES:
            raise ValueError(
                f"model and limit must have the same epsilon; got {known.epsilon:g} and "
                f"{self.limit.epsilon:g}"
            )

    @property
    def _known(self) -> DysonHessian:
        return self.model if isinstance(self.model, DysonHessian) else self.model.model

    def solve(
        self,
        z: ArrayLike,
        *,
        tolerance: float = 1e-6,
        throw: bool = True,
        progress: Progress | None = None,
    ) -> Solution:
        """Evaluate G(z) in the open upper half-plane.

        Parameters
        ----------
        z : array_like of complex
            Points with Im z > 0.
        tolerance, throw, progress
            As for `DysonHessian.solve`.

        Returns
        -------
        Solution
            G(z) in the shape of `z`; `error` is that of the correction.

        Raises
        ------
        ConvergenceError
            If an equation is not solved at a point.
        """
        plain = self.model.solve(z, tolerance=tolerance, throw=throw, progress=progress)
        more = self.limit.crossings(z, tolerance=_LEGS)
        own = 0.0 if plain.error is None else np.asarray(plain.error)
        assert more.error is not None
        return Solution(
            plain.value + more.value,
            plain.status,
            np.maximum(plain.residual, more.residual),
            plain.steps + more.steps,
            own + more.error,
        )

    @override
    def cdf_above(
        self, z: ArrayLike, *, tolerance: float = 1e-8, progress: Progress | None = None
    ) -> Real:
        plain = self.model.cdf_above(z, tolerance=tolerance, progress=progress)
        more = self.limit.crossing_potential(z, tolerance=_LEGS).value
        return np.asarray(plain - more.imag / np.pi)

    @override
    def solve_index(self) -> Solution:
        errors = [0.0]

        def cdf_above(z: Complex) -> Real:
            more = self.limit.crossing_potential(z, tolerance=_LEGS)
            assert more.error is not None
            errors.append(float(np.max(more.error)) / np.pi)
            return np.asarray(self.model.cdf_above(z) - more.value.imag / np.pi)

        scale = float(np.hypot(self.mean(), np.sqrt(self.var())))
        found = index_from_above(
            lambda z: self.solve(z, throw=False),
            cdf_above,
            scale,
            atom=self._known.atom_at_zero(),
            is_measure=False,
        )
        return with_doubt(found, errors[-1])
