r"""The Hessian of a linear network with one hidden layer, in closed form.

The network y = W2 W1 x with n0 inputs, n1 hidden units, n2 outputs and m samples, columns of X, has
a Gauss-Newton part H0 = J^T J/m (`rmtland.networks.derivatives.hessian`) with

.. math:: J J^T/m = 1 \otimes X^T W_1^T W_1 X/m + W_2 W_2^T \otimes X^T X/m .

For each eigenvalue w of W2 W2^T the eigenvalues of H0 other than zero are those of
:math:`X^T (W_1^T W_1 + w) X/m`. With entries of W1, W2 and X independent of variances
:math:`s_1/n_0, s_2/n_1, s_x` the limit law of H0 is therefore a mixture over the Marchenko-Pastur
law of w, and a component is the free product of a shifted Marchenko-Pastur law, that of A =
W1^T W1 + w, and another one. In units of :math:`s_1 s_x`, with w in units of s1,
v = n1/n0, :math:`\varphi = n_0/m`, g = tr (omega - A)^{-1} and
:math:`u = w g + v g/(1-g)` (so that z G = 1 + u for the component),

.. math:: z(g) = \omega \kappa, \qquad \omega = w + \frac{v}{1-g} + \frac1g , \qquad
          \kappa = 1 + \varphi u ,

a quartic equation for g. Physical is the root with Im g < 0 and Im kappa < 0, for x > 0 and w below
the real axis: there the components stay analytic in w, as w adds to the imaginary part of the
matrix, and the mixture is an integral over a path below the real axis that meets no edge of a
component, for any x. It is found by the trapezoidal rule after a double-exponential map [1]_, with
one set of some hundred nodes for all z. Distribution functions need no further quadrature: a
component has the potential

.. math:: L = \log\kappa - \tfrac1\varphi \log\kappa + u
              + (\omega - w) g - \log g + v \log(1-g) - 1 , \qquad L' = G .

Of n1 (n0 + n2) eigenvalues at most n1 (n0 + n2 - n1) differ from zero: moving an invertible matrix
from one layer to the other leaves the network as it is. The law has an atom for the rest. As W2
enters by a mixture, densities at the outer ends of the support vanish like the square of the
distance, not like its root.

Where first layer and data are known, `LinearHessian.of_data` averages over w alone; x is then an
eigenvalue if w is one of K^{-1/2} (x - K_1) K^{-1/2}, with K and K_1 the matrices X^T X/m and
X^T W1^T W1 X/m, and density and distribution function are finite sums over these of those of w.

The residual part H1 has the blocks [[0, e X^T/m], [., 0]], one for each hidden unit, with residuals
e of variance 2 epsilon: its squares are products of two free Marchenko-Pastur laws. H0 + H1 is not
a free sum; see `DysonHessian`.

References
----------
.. [1] H. Takahasi and M. Mori, Double exponential formulas for numerical integration, Publ. RIMS
       Kyoto Univ. 9 (1974) 721-741.
.. [2] J. W. Silverstein and S.-I. Choi, Analysis of the limiting spectral distribution of large
       dimensional random matrices, J. Multivariate Analysis 54 (1995) 295-309: edges.

Examples
--------
>>> model = LinearHessian(1, 1, 1, 4)
>>> model.law.atoms
((0.0, 0.5),)
>>> model.law.moment(1), round(model.law.cdf(1.0), 12)
(1.0, 0.68674120521)
>>> spectrum = model.sample(40, rng=0)
>>> spectrum.dimension, abs(spectrum.mean() - 1) < 0.05
(3200, True)
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from rmtland.arguments import choice, count, nonnegative
from rmtland.deprecation import keyword_only
from rmtland.laws import Discrete, Law
from rmtland.models.dyson.dyson_hessian import DysonHessian
from rmtland.models.hessian_parts import PARTS, HessianParts
from rmtland.models.linear.data_law import LinearDataLaw
from rmtland.models.linear.hessian_law import LinearHessianLaw
from rmtland.models.linear.network import LinearNetwork
from rmtland.models.linear.residual_law import LinearResidualLaw
from rmtland.spectrum import Spectrum
from rmtland.streams import seed_of, streams
from rmtland.typing import ArrayLike, Real, Rng
from rmtland.version import installed_version

__all__ = ["LinearHessian"]


@dataclass(frozen=True)
class LinearHessian(LinearNetwork, HessianParts):
    r"""The Hessian of a linear network with one hidden layer, Gaussian weights and Gaussian data.

    .. formula:: Hessian of a linear network, :math:`J J^\top/m = 1 \otimes X^\top W_1^\top W_1 X/m
        + W_2 W_2^\top \otimes X^\top X/m`

    Parameters
    ----------
    inputs, hidden, outputs, samples : float
        n0, n1, n2 and m, > 0: only their ratios enter the law.
    first_variance, second_variance : float
        n0 times the variance of the entries of W1, n1 times that of W2, > 0 (1 for `lecun`).
    data_variance : float
        Variance of the entries of the samples, > 0.
    epsilon : float
        Energy >= 0: residuals are independent of everything, of variance 2 epsilon; at 0 (default)
        H is H0.
    part_name : {"total", "gauss_newton", "residual"}
        H, H0 or H1.

    Raises
    ------
    ValueError
        If a parameter is out of its range or not finite.
    TypeError
        If `epsilon` is no real number.

    See Also
    --------
    rmtland.models.TwoLegHessian : other activations.

    References
    ----------
    .. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
           theory, ICML 2017, PMLR 70.
    """

    epsilon: float = field(default=0.0, kw_only=True)
    part_name: str = field(default="total", kw_only=True)

    name: ClassVar[str] = "linear network"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "epsilon", nonnegative("epsilon", self.epsilon))
        choice("part_name", self.part_name, PARTS)

    @property
    def network(self) -> LinearNetwork:
        """Sizes and variances alone."""
        return LinearNetwork(
            *self.sizes,
            first_variance=self.first_variance,
            second_variance=self.second_variance,
            data_variance=self.data_variance,
        )

    @cached_property
    def law(self) -> Law:
        """Limit law of the eigenvalues of the part.

        Raises
        ------
        ValueError
            For H0 + H1 with a positive energy: it is not a free sum, and no closed form is known.
        """
        if self.part_name == "residual":
            return self.residual_law(self.epsilon) if self.epsilon else Discrete((0.0,), (1.0,))
        if self.part_name == "total" and self.epsilon:
            raise ValueError(
                "H0 + H1 of a linear network with epsilon > 0 is no free sum and has no closed "
                "form; take part('gauss_newton') or part('residual'), or a DysonHessian, which "
                "knows first layer and data"
            )
        return LinearHessianLaw(self.network)

    def residual_law(self, epsilon: float) -> LinearResidualLaw:
        """Limit law of the eigenvalues of H1 at the energy epsilon > 0.

        Parameters
        ----------
        epsilon : float
            Energy, > 0.

        Returns
        -------
        LinearResidualLaw
            Law of H1 for the same network.

        Raises
        ------
        ValueError
            If epsilon is not positive and finite.
        """
        return LinearResidualLaw(self.network, epsilon)

    def mean(self) -> float:
        """Mean eigenvalue: that of H0, as H1 has mean zero.

        Returns
        -------
        float
            In the units of the eigenvalues.
        """
        return 0.0 if self.part_name == "residual" else self.part("gauss_newton").law.mean()

    def var(self) -> float:
        """Variance: those of H0 and H1 add up, as residuals are independent of the rest.

        Returns
        -------
        float
            In the squared units of the eigenvalues.
        """
        names = PARTS[:2] if self.part_name == "total" else (self.part_name,)
        return sum(self.part(name).law.var() for name in names)

    @classmethod
    def of_data(
        cls,
        first_layer: ArrayLike,
        x: ArrayLike,
        *,
        outputs: int,
        second_variance: float = 1.0,
    ) -> LinearDataLaw:
        """Return the law of H0 for a given first layer and data.

        Parameters
        ----------
        first_layer : array_like, shape (n1, n0)
            W1.
        x : array_like, shape (m, n0)
            Samples, one row each.
        outputs : int
            n2.
        second_variance : float
            n1 times the variance of the entries of W2, > 0.
        """
        return LinearDataLaw(np.asarray(first_layer), np.asarray(x), outputs, second_variance)

    @keyword_only("rng", 2)
    def sample(self, n: int, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw networks and data and return all eigenvalues of the part.

        The matrix H0, of size n1 (n0 + n2), is not formed: W2 enters by its singular values. H1 and
        H0 + H1 are.

        Parameters
        ----------
        n : int
            Number of hidden units; the other sizes are rounded from their ratios, at least to 1.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent networks.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, n1 (n0 + n2)).

        Raises
        ------
        ValueError
            If `n` or `runs` is below 1.
        TypeError
            If it is no integer.
        """
        n1 = count("n", n)
        n0, n2, m = (
            max(1, round(n1 * size / self.hidden))
            for size in (self.inputs, self.outputs, self.samples)
        )
        parents = streams(rng, count("runs", runs))
        whole = self.epsilon == 0 and self.part_name == "total"
        drawn = self._gauss_newton if whole or self.part_name == "gauss_newton" else self._dense
        return Spectrum(
            np.array([drawn((n0, n1, n2, m), stream) for stream in parents]),
            provenance={
                "source": "model",
                "model": type(self).__name__,
                "parameters": asdict(self),
                "sizes": [n0, n1, n2, m],
                "seed": seed_of(parents[0]),
                "rmtland": installed_version(),
            },
        )

    def _gauss_newton(self, sizes: tuple[int, int, int, int], stream: np.random.Generator) -> Real:
        """Eigenvalues of H0, from those of W2 W2^T."""
        n0, n1, n2, m = sizes
        found = np.zeros(n1 * (n0 + n2))
        first = stream.normal(size=(n1, n0)) * math.sqrt(self.first_variance / n0)
        second = stream.normal(size=(n2, n1)) * math.sqrt(self.second_variance / n1)
        x = stream.normal(size=(n0, m)) * math.sqrt(self.data_variance / m)
        if m > n0:
            x = np.asarray(np.linalg.cholesky(x @ x.T))
        w = np.linalg.svd(second, compute_uv=False) ** 2
        still, moving = (first @ x).T @ (first @ x), x.T @ x
        values = np.linalg.eigvalsh(still + w[:, None, None] * moving).ravel()
        if n2 > n1:
            least = np.linalg.eigvalsh(still)[max(0, len(still) - n1) :]
            values = np.concatenate([values, np.tile(least, n2 - n1)])
        found[: values.size] = np.maximum(values, 0.0)  # rounding at zero
        return found

    def _dense(self, sizes: tuple[int, int, int, int], stream: np.random.Generator) -> Real:
        """Eigenvalues of H1 or H0 + H1, formed."""
        n0, n1, n2, m = sizes
        first = stream.normal(size=(n1, n0)) * math.sqrt(self.first_variance / n0)
        x = stream.normal(size=(m, n0)) * math.sqrt(self.data_variance)
        known = DysonHessian(
            first @ x.T,
            np.ones((n1, m)),
            x,
            n2,
            self.epsilon,
            part_name=self.part_name,
            second_layer=self.second_variance / n1,
        )
        return np.asarray(known.sample(rng=stream).nodes[0])
