r"""The limit law of H at positive energy, of a one-hidden-layer network at initialisation.

The network is y = W2 f(W1 x), with n0 inputs, n1 hidden units, n2 outputs and m samples, Gaussian
weights and data, and residuals e that are independent of all else, of variance 2 epsilon; all sizes
grow in fixed ratios. H = H0 + H1 has the quadratic form

.. math::
    -z (|A|^2 + |B|^2) - |Y|^2 + 2 \operatorname{Re} Y^* \bigl(A h + W_2 \, v \bigr)
    + 2 \operatorname{Re} A^* e \, v^* + (\text{sites}),
    \qquad v = D \circ \kappa, \quad \kappa = B X/\sqrt m ,

with the fields A on pairs (output, hidden unit), B on (hidden unit, input), Y on (output, sample),
v and kappa on (hidden unit, sample); h, e stand for h/sqrt m, e/sqrt m, and "sites" for the slopes
D = f' and curvatures T = f'' W2^T e, a 2 x 2 block at each (hidden unit, sample).

*Two legs.* Each field is a pair of particles on the triangle {outputs, hidden units, samples}, and
each Gaussian matrix moves one of the two and leaves the other where it is: W2 an output to a hidden
unit, h a hidden unit to a sample, e an output to a sample. The trace of a power of H is a sum over
closed walks of the pair. A walk whose particles come home exchanged is one trace that goes round
twice, hence of order 1/n; every other one is a product of two traces, one word of each leg, and
traces factor as n grows. The matrices of the two legs may therefore be taken as independent copies,
(W2, h, e) for either. The matrix Dyson equation sums the pairings of both words that do not cross
when the words are read as one; here pairings of different legs cross freely. Moments agree up to
the fifth, densities do not: of a linear network the Dyson law errs by 8 % of the peak.

*One leg averaged, the other drawn.* Given the matrices of leg 2, the operator is linear in
independent Gaussian matrices of leg 1, and its resolvent follows from an operator-valued
semicircular equation with coefficients that are matrices on leg 2
(`rmtland.models.two_leg.equation`): six blocks, A, Y and v with either leg first. Leg 2 is drawn,
complex and of moderate size n (`rmtland.models.two_leg.sampled_leg`): complex matrices have no
correction of order 1/n, so that the bias is of order 1/n^2. It is taken out by a second size, half
as large (Richardson): with values G_n and G_l of legs of n and l hidden units

.. math:: G = G_n + \frac{l^2}{n^2 - l^2} (G_n - G_l) .

*Slopes* are free of the rest and come in by a coherent potential, k
(`rmtland.models.two_leg.slope_medium`): features of a Gaussian network act like h = c1 W1 X + c*
Theta, as in `PopulationHessian`.

*Data* of any covariance: in the basis of the right singular vectors of X nothing but the spectrum
of X^T X/m is left of them, since W1 is invariant under rotations of the inputs.

The error that goes with a value is the bias taken out, plus 2.5 standard errors of the draws (more
where they are few), plus what the tolerance leaves open and what the ratios of the legs' whole
numbers are off by. The two orders of the legs give two estimates, equal in the limit (`orders`):
their difference is a check that costs nothing.

What is left out: the rank-one mean c0 of the features (n2 outliers), the n1 exact zeros of a ReLU
network and all else of order 1/n, which the stated error does not hold; networks of n = 128 differ
by .8 to 1.8 % of the peak of the smoothed density. `FiniteWidthHessian` adds it, and is within .8 %
there (`scripts/reproduce_two_leg.py`), but for a linear network with as many outputs as hidden
units, whose legs scatter most: 1.4 %, and 1.0 % with 24 draws. The limit is not proved.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70: the Hessian, its parts and the assumption on residuals.
.. [2] J. W. Helton, R. Rashidi Far and R. Speicher, Operator-valued semicircular elements: solving
       a quadratic matrix equation with positivity constraints, Int. Math. Res. Not. 2007, rnm086.
.. [3] J. A. Mingo and R. Speicher, Free Probability and Random Matrices, Springer, 2017, chapters
       1, 4 and 9: genus expansion, asymptotic freeness, operator-valued equations.

Examples
--------
>>> model = TwoLegHessian(1, 1, 1, 4, activation="relu", epsilon=0.5, legs=6, draws=5)
>>> density = model.smoothed_pdf([0.0, 1.0, 3.0], eta=0.2)
>>> density.shape, bool((density > 0).all())
((3,), True)
>>> found = model.solve(0.5 + 0.2j)
>>> found.converged, bool(0 < found.error < 0.2 * abs(found.value))
(True, True)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, NoReturn

from rmtland.arguments import choice, count, positive
from rmtland.laws import Law, SpectralModel
from rmtland.models.far_field import variance_from_above
from rmtland.models.hessian_parts import PARTS
from rmtland.models.population import PopulationHessian
from rmtland.models.population.network import PopulationNetwork
from rmtland.models.two_leg.equation import TwoLegEquation
from rmtland.models.two_leg.sampled_legs import LegSizes, SampledLegs
from rmtland.models.two_leg.two_leg_resolvent import TwoLegResolvent
from rmtland.spectrum import Spectrum
from rmtland.typing import Real, Rng

__all__ = ["TwoLegHessian"]


@dataclass(frozen=True, eq=False)
class TwoLegHessian(PopulationNetwork, TwoLegResolvent):
    r"""H of a one-hidden-layer network with Gaussian weights and data, at positive energy.

    .. formula:: Limit law of :math:`H` at :math:`\varepsilon > 0`: two legs of a tensor product,
        one averaged

    Parameters
    ----------
    inputs, hidden, outputs, samples : float
        n0, n1, n2 and m, > 0: only their ratios enter the law.
    activation : str or Activation
        As in `rmtland.networks.MLP`.
    first_variance, second_variance : float
        n0 times the variance of the entries of W1, n1 times that of W2, > 0 (1 for `lecun`).
    covariance : float, array_like of shape (n0,) or Law
        Covariance of the samples: a multiple of the identity, its eigenvalues, or their law.
    epsilon : float
        Energy, > 0: residuals are independent of everything, of variance 2 epsilon.
    legs : int
        Hidden units of the sampled legs, at least 4; up to a quarter more where the ratios of
        whole numbers come out better. Costs grow like the third power.
    draws : int
        Number of sampled legs, at least 2; twice as many of half the size take out the bias.
    seed : int
        Of the sampled legs, >= 0: the same model gives the same numbers.
    nodes : int, optional
        Of the rule for the averaged leg; by default 10, and 20 for a linear network, whose
        equation has sharper features.

    Raises
    ------
    ValueError
        If a parameter is out of its range; for epsilon = 0 take `PopulationHessian`. When solved,
        if whole numbers of so few units cannot have the ratios, or the data variance, to 20 %.
    TypeError
        If `epsilon` is no real number, or `nodes` or another parameter is no integer.

    See Also
    --------
    rmtland.models.FiniteWidthHessian : with its correction.
    rmtland.models.PopulationHessian : without crossings.
    """

    epsilon: float = field(kw_only=True)
    legs: int = field(default=24, kw_only=True)
    draws: int = field(default=8, kw_only=True)
    seed: int = field(default=0, kw_only=True)
    nodes: int | None = field(default=None, kw_only=True)

    name: ClassVar[str] = "two-leg law"

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            object.__setattr__(self, "epsilon", positive("epsilon", self.epsilon))
        except ValueError as error:
            raise ValueError(f"{error}; for epsilon = 0 take PopulationHessian") from None
        for key, least in (("legs", 4), ("draws", 2), ("seed", 0)):
            object.__setattr__(self, key, count(key, getattr(self, key), min_value=least))
        if self.nodes is not None:
            object.__setattr__(self, "nodes", count("nodes", self.nodes, min_value=2))

    @cached_property
    def sampled_legs(self) -> SampledLegs:
        """The legs that are drawn."""
        sigma, share = self._data
        return SampledLegs(
            self.population, sigma, share, self.legs, self.draws, self.seed, self.nodes
        )

    @property
    def leg_sizes(self) -> tuple[LegSizes, LegSizes]:
        """Sizes n0, n1, n2 and m of the large and of the small legs."""
        return self.sampled_legs.sizes

    @property
    def averaged_leg(self) -> tuple[Real, Real]:
        """Nodes and weights for the eigenvalues of X^T X/m on the averaged leg."""
        return self.sampled_legs.averaged_leg

    @property
    def equations(self) -> tuple[tuple[TwoLegEquation, ...], tuple[TwoLegEquation, ...]]:
        """The equations of the large and of the small legs."""
        return self.sampled_legs.equations

    def memory(self, *, crossing: bool = True) -> int:
        """Bytes that a solution takes at the same time, all threads together.

        Parameters
        ----------
        crossing : bool
            Whether of the two-leg equation, or of that of `non_crossing`.

        Returns
        -------
        int
            Number of bytes; more than are free are refused.
        """
        return self.sampled_legs.memory(crossing=crossing)

    # Moments, parts and draws --------------------------------------------------------------------

    def mean(self) -> float:
        """Mean eigenvalue without the outliers that c0 makes: that of H0.

        Returns
        -------
        float
            In the units of the eigenvalues.
        """
        return self.gauss_newton_mean

    def var(self) -> float:
        """Variance: those of H0 and H1 add up, as residuals are independent of the rest.

        Returns
        -------
        float
            In the squared units of the eigenvalues.
        """
        law = self.population.part("gauss_newton").law
        own = variance_from_above(law.stieltjes, self.mean())
        return own + self.population.residual(self.epsilon).variance

    @property
    def law(self) -> NoReturn:
        """There is none.

        Raises
        ------
        ValueError
            The law is an average over sampled legs, above the axis.
        """
        raise ValueError(
            "the two-leg law is an average over sampled legs, known above the axis only; take "
            "smoothed_pdf, smoothed_cdf or index"
        )

    @cached_property
    def population(self) -> PopulationHessian:
        """The same network with its closed laws of H0 and H1, and its samples."""
        fields = PopulationNetwork.__dataclass_fields__
        return PopulationHessian(
            **{name: getattr(self, name) for name in fields}, epsilon=self.epsilon
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts: ("gauss_newton", "residual", "total")."""
        return PARTS

    def part(self, name: str) -> SpectralModel | Law:
        """Return a part: H0 and H1 have closed laws, and are those of `PopulationHessian`.

        Parameters
        ----------
        name : {"gauss_newton", "residual", "total"}
            H0, H1 or H.

        Returns
        -------
        SpectralModel
            The model itself for "total".

        Raises
        ------
        ValueError
            If there is no part of that name.
        """
        choice("name", name, PARTS)
        return self if name == "total" else self.population.part(name)

    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw networks and data of n hidden units, as `PopulationHessian.sample`.

        Parameters
        ----------
        n : int
            Number of hidden units; the other sizes follow by the ratios, at least 1.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent networks.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n1 (n0 + n2)).
        """
        return self.population.sample(n, rng=rng, runs=runs)

    def lanczos(self, n: float, steps: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw Gauss quadratures of Lanczos runs, as `PopulationHessian.lanczos`.

        Parameters
        ----------
        n : int
            Number of hidden units.
        steps : int
            Number of Lanczos steps, at most the number of eigenvalues.
        rng, runs
            As for `sample`.

        Returns
        -------
        Spectrum
            Nodes and weights of shape (runs, steps).

        Raises
        ------
        ValueError
            If `n`, `steps` or `runs` is below 1, or there are more steps than eigenvalues.
        TypeError
            If a number is no integer.
        """
        return self.population.lanczos(count("n", n), steps, rng=rng, runs=runs)
