r"""The Hessian law of a one-hidden-layer network from its sizes and its activation alone.

Pennington and Bahri [1]_ leave open the limit law of H0 for a network y = W2 f(W1 x) with Gaussian
weights and data. Here it is, for n0 inputs, n1 hidden units, n2 outputs, m samples in any ratio,
any activation and data of any covariance; nothing is drawn and nothing fitted. Two facts carry it:

* *Gaussian equivalence.* For z of variance q the features act like c0 + c1 W1 X + c* Theta with
  independent Gaussian Theta, c0 = E f, c1 = E f', c*^2 = E f^2 - c0^2 - q c1^2; the slopes f'
  like an independent diagonal matrix over units and samples.
* *Two tensor legs.* Singular vectors of W2 act on outputs and units, X, W1 and Theta on samples:
  for every singular value of W2 there is a small equation in free Gaussian matrices; the slopes,
  free from all of it, couple these equations through a 2 x 2 self-energy
  (`rmtland.models.population.equation`).

Both were tested, not proved. Against the data-aware equation (`DysonHessian`, one draw of first
layer and data) G at height 0.2 differs by 0.096, 0.048 for ReLU and 0.045, 0.022 for tanh at n =
16, 32 (n0 = n1 = n2, m = 4n): like 1/n, in that case and in rectangular ones, hence neither the
freeness of the slopes nor their independence from Theta fails at leading order. Of order 1/n are
the n1 exact zeros of a ReLU network and its outliers, about n1 c0^2 (`spike`), one for each output.

The residual part H1 splits into blocks, one for each unit: `part("residual")` has its law, with
the second derivatives of f. H0 + H1 has no finite closed system known, as residuals couple the
units: `total_density` averages `DysonHessian` over draws of a smaller network of the same ratios,
with a standard error.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, section 3.

Examples
--------
>>> model = PopulationHessian(1, 1, 1, 4, activation="relu")
>>> model.law.atoms, round(model.mean(), 12)  # 1/2 - 1/(4 pi)
((), 0.420422528454)
>>> g = model.law.stieltjes(1 + 0.1j)
>>> round(g.real, 6), round(g.imag, 6)
(1.041819, -0.677033)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from rmtland.arguments import choice, nonnegative
from rmtland.laws import Discrete, Law
from rmtland.models.hessian_parts import PARTS
from rmtland.models.linear.hessian_law import LinearHessianLaw
from rmtland.models.population.law import PopulationLaw
from rmtland.models.population.network import PopulationNetwork
from rmtland.models.population.population_draws import DrawnDensity, PopulationDraws
from rmtland.models.population.residual import PopulationResidual
from rmtland.typing import ArrayLike, Values

__all__ = ["DrawnDensity", "PopulationHessian"]


@dataclass(frozen=True, eq=False)
class PopulationHessian(PopulationDraws):
    """A one-hidden-layer network with Gaussian weights and Gaussian data, both averaged out.

    .. formula:: Limit laws of :math:`H_0` and :math:`H_1` with Gaussian data

    Parameters
    ----------
    inputs, hidden, outputs, samples : float
        n0, n1, n2 and m, > 0: only their ratios enter the law.
    activation : str or Activation
        As in `rmtland.networks.MLP`.
    first_variance, second_variance : float
        n0 times the variance of the entries of W1, n1 times that of W2, > 0 (1 for `lecun`).
    covariance : float, array_like of shape (n0,) or Law
        Covariance of the samples: a multiple of the identity, its eigenvalues, or their law. Where
        there are more than 24 eigenvalues the Gauss rule of 24 nodes stands for them.
    epsilon : float
        Energy >= 0: residuals are independent of everything, of variance 2 epsilon; at 0 (default)
        H is H0.
    part_name : {"total", "gauss_newton", "residual"}
        H, H0 or H1.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    TypeError
        If `epsilon` is no real number.

    See Also
    --------
    rmtland.models.TwoLegHessian : with pairings that cross.
    rmtland.models.DysonHessian : given data.
    """

    epsilon: float = field(default=0.0, kw_only=True)
    part_name: str = field(default="total", kw_only=True)

    name: ClassVar[str] = "population law"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "epsilon", nonnegative("epsilon", self.epsilon))
        choice("part_name", self.part_name, PARTS)

    @property
    def network(self) -> PopulationNetwork:
        """Sizes, activation, variances and covariance alone."""
        fields = PopulationNetwork.__dataclass_fields__
        return PopulationNetwork(**{name: getattr(self, name) for name in fields})

    @cached_property
    def law(self) -> Law:
        """Limit law of the eigenvalues of the part, outliers apart.

        That of `LinearHessian` for an affine activation and isotropic data.

        Raises
        ------
        ValueError
            For H0 + H1 with a positive energy, and for H1 unless slopes take one value other than
            zero (ReLU, linear).
        """
        if self.part_name == "residual":
            residual = self._residual
            return Discrete((0.0,), (1.0,)) if residual is None else residual.law
        if self.part_name == "total" and self.epsilon:
            raise ValueError(
                "H0 + H1 with epsilon > 0 has no closed system of equations: residuals couple the "
                "units; take part('gauss_newton') or part('residual'), or total_density, which "
                "averages over drawn networks"
            )
        sigma, rule = self._data[0], self.rule
        if rule.slopes.size == 1 and sigma.size == 1:
            linear = self.linear()
            scale = float(rule.slopes[0]) ** 2
            return LinearHessianLaw(replace(linear, data_variance=linear.data_variance * scale))
        return PopulationLaw(self.network)

    @cached_property
    def _gauss_newton_law(self) -> Law:
        """Law of H0, which is tabulated once: the law that is there where the part is H0."""
        own = self.part_name == "gauss_newton" or (self.part_name == "total" and not self.epsilon)
        return self.law if own else self.part("gauss_newton").law

    def residual(self, epsilon: float) -> PopulationResidual:
        """Return the law of H1 at an energy epsilon > 0.

        Parameters
        ----------
        epsilon : float
            Energy, > 0.

        Returns
        -------
        PopulationResidual
            Law of H1 for the same network.

        Raises
        ------
        ValueError
            If epsilon is not positive and finite.
        """
        return PopulationResidual(self.network, epsilon)

    @property
    def _residual(self) -> PopulationResidual | None:
        return self.residual(self.epsilon) if self.epsilon else None

    # The spectral law ----------------------------------------------------------------------------

    def stieltjes(self, z: ArrayLike) -> Values:
        """Stieltjes (Cauchy) transform G(z) of the part; H1 has one where it has no `law`.

        Parameters
        ----------
        z : array_like of complex
            Points off the real axis, any shape.

        Returns
        -------
        complex or ndarray of complex128
            Values in the shape of `z`; Im G < 0 for Im z > 0.
        """
        residual = self._residual
        if self.part_name == "residual" and residual is not None:
            array = np.asarray(z, dtype=np.complex128)
            below = array.imag < 0
            value = np.asarray(residual.stieltjes(np.where(below, array.conj(), array)))
            value = np.where(below, value.conj(), value)
            return value if value.shape else value.item()
        return super().stieltjes(z)

    def index(self) -> float:
        """Fraction of negative eigenvalues; an atom at zero is no part of it.

        Returns
        -------
        float
            Fraction of all eigenvalues, in [0, 1].
        """
        residual = self._residual
        if self.part_name == "gauss_newton" or residual is None:
            return 0.0
        if self.part_name == "residual":
            return residual.index()
        return super().index()

    def mean(self) -> float:
        """Mean eigenvalue without the outliers that c0 makes; H1 has mean zero.

        Returns
        -------
        float
            In the units of the eigenvalues.
        """
        return 0.0 if self.part_name == "residual" else self.gauss_newton_mean

    def var(self) -> float:
        """Variance: those of H0 and H1 add up, as residuals are independent of the rest.

        Returns
        -------
        float
            In the squared units of the eigenvalues.
        """
        residual = 0.0 if self._residual is None else self._residual.variance
        if self.part_name == "residual":
            return residual
        own = self._gauss_newton_law.var()
        return own + residual if self.part_name == "total" else own
