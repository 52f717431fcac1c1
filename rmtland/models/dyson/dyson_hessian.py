r"""The Hessian law of a one-hidden-layer network that knows its first layer and its data.

The network y = W2 f(W1 x), with n0 inputs, n1 hidden units, n2 outputs and half the mean squared
error over m samples, has the Hessian H = H0 + H1 (`rmtland.networks.derivatives.hessian`).
Pennington and Bahri [1]_ replace both parts by free random matrices. Here only the second layer
and the residuals are random: rows of W2 independent with E W2_ij W2_ij' = Sigma_jj' (1/n1 on the
diagonal by default), residuals e_i,mu independent of mean zero and variance r_mu (2 epsilon for
all by default). Given features h = f(W1 x), slopes D = f'(W1 x), both (n1, m), and samples x_mu,
the matrix

.. math:: \begin{pmatrix} z - H_1 & -J^T/\sqrt m \\ -J/\sqrt m & 1 \end{pmatrix}

is linear in W2 and e, and its inverse, whose first block is (z - H)^{-1}, has a deterministic
equivalent: a matrix Dyson equation (`rmtland.free.operator_valued.matrix_dyson`). Its blocks are a
(weights W2, index j), s (samples, index mu), each n2 times on the diagonal, and b (weights W1,
index jk):

.. math::
    S_a[j,j'] &= \frac{1}{m^2} \sum_\mu r_\mu D_{j\mu} D_{j'\mu} x_\mu^T M_b[j,j'] x_\mu , \\
    S_b[j,j'] &= \frac{n_2}{m^2} M_a[j,j'] \sum_\mu r_\mu D_{j\mu} D_{j'\mu} x_\mu x_\mu^T
      + \frac{n_2}{m} \Sigma_{jj'} X D_j M_s D_{j'} X^T , \\
    S_s[\mu,\nu] &= \frac1m \sum_{jj'} \Sigma_{jj'} D_{j\mu} D_{j'\nu} x_\mu^T M_b[j,j'] x_\nu , \\
    \begin{pmatrix} M_a & \cdot \\ \cdot & M_s \end{pmatrix} &=
      \begin{pmatrix} z - S_a & -h/\sqrt m \\ -h^T/\sqrt m & 1 - S_s \end{pmatrix}^{-1}, \qquad
    M_b = (z - A_b - S_b)^{-1},

G = (n2 tr M_a + tr M_b) / (n1 n2 + n0 n1). For smooth f the second derivatives add to block b the
diagonal blocks A_b[j] = (1/m) X diag(delta_j f''_j) X^T with delta = W2^T e: they are taken as
given (`curvatures`), measured or drawn once, since they average themselves over units and outputs;
with one or two outputs they do not, and the law, like the Hessian itself, differs from draw to
draw: `rmtland.models.dyson.curvature` says by how much.

Residuals may be correlated between samples, r_mu,nu, and between outputs, C_ii' (`residual_weights`
and `output_weights`): E e_i,mu e_i',nu = 2 epsilon C_ii' r_mu,nu.

The logarithmic potential comes with the solution, and with it the smoothed distribution function
and the index,

.. math:: p L = n_2 \log\det W_{as} + \log\det W_b + \operatorname{tr} M_b S_b , \qquad L' = G ,

where W are the inverses of the M (half of <M S[M]> is tr M_b S_b as both noises couple b to a or
s).

Approximations of growing cost, `coupling`, measured by `scripts/bench_dyson.py` at n0 = n1 = n2 =
n, m = 4n; errors are those of the density smoothed at eta = .05, relative to its peak, and largest
near 0:

* "full", the equation as it stands: for H a step inverts a matrix of size n0 n1 (2 s a point at
  n = 32 on one core); for H0 and H1 it is the same as "units".
* "units" leaves the blocks between different hidden units out of S: n1 inverses of size n0, one of
  size m + n1, and n1 m n0 (n0 + m) multiplications (.1 s a point at n = 32). For H off by 2 to 5 %,
  at any n.
* "free_slopes" takes the slopes of all units for one free random variable
  (`rmtland.models.dyson.free_slopes`): a few inverses of size n0 + n1 (1 s a point for H0 and 4 s
  for H at n = 256, where H has 131072 eigenvalues). Its error falls like 1/n: for H0 11, 8.5, 3.5
  and 1.7 % (ReLU) at n = 16, 32, 64 and 128, about half of it for tanh, most in the n1 nearly null
  directions at 0; for H 1 to 3 % at n = 16 and 32, less than that of "units" at large n.

Where it holds (`rmtland reproduce dyson`): first and second layer and residuals independent of
each other, as at initialisation. For H0 the equation is exact as n grows, with errors that fall
like 1/n: 1.7 % (ReLU) and 1.1 % (tanh) of the peak at n = 12, all at the nearly null directions
(.4 % and .1 % for |x| > .2), .7 % and .4 % at n = 32. For H it is not quite exact: W2 and the
residuals act on the outputs and on the units or samples, so that their pairings may cross, which
it leaves out; errors are 2.8 % and 2.6 % at n = 12 and 1.9 % and 1.7 % at n = 32, the index within
.004, and worst for slopes that are constant (a linear network, 9 %). After training W2 and e are
neither Gaussian nor independent of the data. Isolated eigenvalues are spread as the equation says
only in the mean.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70, section 3.
.. [2] J. W. Helton, R. Rashidi Far and R. Speicher, Operator-valued semicircular elements: solving
       a quadratic matrix equation with positivity constraints, Int. Math. Res. Not. 2007, rnm086.
.. [3] H. F. Walker and P. Ni, Anderson acceleration for fixed-point iterations, SIAM J. Numer.
       Anal. 49 (2011) 1715-1735.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> first, x = rng.normal(size=(6, 6)) / np.sqrt(6), rng.normal(size=(24, 6))
>>> model = DysonHessian.of_first_layer(first, x, outputs=6, epsilon=0.5, activation="relu")
>>> density = model.smoothed_pdf([0.0, 1.0, 3.0], eta=0.1)
>>> density.shape, bool((density > 0).all())
((3,), True)
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rmtland.deprecation import renamed_argument, renamed_method
from rmtland.estimate.placement import Placement
from rmtland.models.batched_resolvents import place_of
from rmtland.models.dyson.block_resolvent import BlockResolvent
from rmtland.models.dyson.blocks import BlockEquation
from rmtland.models.dyson.dyson_arguments import checked_arguments
from rmtland.models.dyson.equation_choice import equation_of
from rmtland.models.dyson.fixed_points import SolvedStates
from rmtland.models.dyson.free_slopes import FreeSlopes
from rmtland.models.dyson.gaussian_hessians import mean_eigenvalue, sampled_spectrum
from rmtland.models.dyson.null_space import atom_at_zero
from rmtland.models.dyson.of_network import first_layer_fields, point_fields
from rmtland.models.dyson.tabulated import TabulatedLaw, tabulated_law
from rmtland.models.hessian_parts import HessianParts
from rmtland.models.smoothed_index import index_from_above
from rmtland.solution import Solution, Status
from rmtland.spectrum import Spectrum
from rmtland.typing import ArrayLike, Namespace, Real, Rng

if TYPE_CHECKING:
    from rmtland.networks import LossPoint
    from rmtland.networks.activation import Activation

__all__ = ["DysonHessian"]


@dataclass(frozen=True, eq=False)
class DysonHessian(HessianParts, BlockResolvent):
    """The spectrum of H0, H1 or H of a one-hidden-layer network, given first layer and data.

    .. formula:: Matrix Dyson equation of a one-hidden-layer Hessian

    Parameters
    ----------
    features : array_like, shape (n1, m)
        f(W1 x_mu).
    slopes : array_like, shape (n1, m)
        f'(W1 x_mu).
    x : array_like, shape (m, n0)
        Samples, one row each.
    outputs : int
        n2.
    epsilon : float
        Energy, loss / n2, >= 0: residuals have variance 2 epsilon.
    part_name : {"total", "gauss_newton", "residual"}
        H, H0 or H1.
    second_layer : float or array_like of shape (n1,) or (n1, n1), optional
        Sigma: covariance of the entries of a row of W2, or its diagonal; 1/n1 by default.
    residual_weights : array_like, shape (m,) or (m, m), optional
        r_mu / (2 epsilon), >= 0: residuals of unlike size; ones by default. A matrix is the
        covariance of the residuals of an output between samples, over 2 epsilon.
    output_weights : array_like, shape (n2,) or (n2, n2), optional
        C: mean squares of the residuals of each output, or their covariance between outputs, over
        2 epsilon; ones by default. With `residual_weights` the covariance is the product.
    curvatures : array_like, shape (n1, m), optional
        delta_j,mu f''_j,mu; none by default (as for ReLU).
    coupling : {"full", "units", "free_slopes"}
        Level of approximation, see the module. "units" is exact for H1, and for H0 with a diagonal
        Sigma, and there taken for "full"; "free_slopes" needs for H a Sigma that is a multiple of
        the identity.
    xp : module, optional
        Array library in which the equation is solved, at all points together: NumPy by default,
        where it is solved point after point, or CuPy where `device` is "cuda". Free slopes stay on
        the CPU. Data and results are NumPy arrays in any case.
    device : str or device, optional
        Device for the library.

    Raises
    ------
    ValueError
        If shapes do not fit, or a number is out of range.
    TypeError
        If `epsilon` is no real number, or `outputs` is no integer, or a parameter holds no real
        numbers.

    See Also
    --------
    rmtland.models.FiniteSizeHessian : with its correction.
    rmtland.models.ConditionedHessian : residuals that training left.
    rmtland.models.PopulationHessian : no data.
    """

    features: Real
    slopes: Real
    x: Real
    outputs: int
    epsilon: float
    part_name: str = field(default="total", kw_only=True)
    second_layer: Any = field(default=None, kw_only=True)
    residual_weights: Any = field(default=None, kw_only=True)
    output_weights: Any = field(default=None, kw_only=True)
    curvatures: Any = field(default=None, kw_only=True)
    coupling: str = field(default="full", kw_only=True)
    xp: Namespace | None = field(default=None, kw_only=True)
    device: object = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        for name, value in checked_arguments(given, is_host=self.place.is_host).items():
            object.__setattr__(self, name, value)

    @classmethod
    def of_first_layer(
        cls,
        first_layer: ArrayLike,
        x: ArrayLike,
        *,
        outputs: int,
        epsilon: float,
        activation: str | Activation = "tanh",
        part: str = "total",
        second_layer: Any = None,
        curvature: bool = True,
        coupling: str = "full",
        rng: Rng = None,
    ) -> Self:
        """Return the model for a first layer and data, nothing else of the network known.

        Parameters
        ----------
        first_layer : array_like, shape (n1, n0)
            W1.
        x : array_like, shape (m, n0)
            Samples.
        outputs : int
            n2.
        epsilon : float
            Energy.
        activation : str or Activation
            As in `rmtland.networks.MLP`.
        part : {"total", "gauss_newton", "residual"}
            H, H0 or H1.
        second_layer, coupling
            See the class.
        curvature : bool
            Whether to include f''; its delta = W2^T e is drawn once from the model.
        rng : anything `numpy.random.default_rng` takes
            For that drawing: with f'' two calls without a seed give different laws, the less so the
            more outputs there are (`rmtland.models.dyson.curvature`).

        Returns
        -------
        DysonHessian
        """
        fields = first_layer_fields(
            first_layer,
            x,
            outputs=outputs,
            epsilon=epsilon,
            activation=activation,
            second_layer=second_layer,
            curvature=curvature,
            rng=rng,
        )
        return cls(**fields, part_name=part, coupling=coupling)

    @classmethod
    def of_point(
        cls,
        point: LossPoint,
        *,
        part: str = "total",
        epsilon: float | None = None,
        sample_weights: bool = False,
        coupling: str = "full",
    ) -> Self:
        """Return the model of a network at a point: mean squares of W2 and residuals measured.

        Parameters
        ----------
        point : LossPoint
            Of an `MLP` with one hidden layer, no biases, half the mean squared error.
        part : {"total", "gauss_newton", "residual"}
            H, H0 or H1.
        epsilon : float, optional
            Energy; that of the point by default.
        sample_weights : bool
            Whether each sample keeps its own mean square residual.
        coupling
            See the class.

        Returns
        -------
        DysonHessian

        Raises
        ------
        ValueError
            If the network is of another kind.
        """
        fields = point_fields(point, epsilon=epsilon, sample_weights=sample_weights)
        return cls(**fields, part_name=part, coupling=coupling)

    # Parts and sizes -----------------------------------------------------------------------------

    def with_coupling(self, coupling: str) -> Self:
        """Return the same Hessian at another level of approximation.

        Parameters
        ----------
        coupling : {"full", "units", "free_slopes"}
            See the class.

        Returns
        -------
        DysonHessian
            With the same network, data and part.

        Raises
        ------
        ValueError
            If the level is unknown or does not fit the network.
        """
        return replace(self, coupling=coupling)

    def on_device(self, device: object = "cuda", *, xp: Namespace | None = None) -> Self:
        """Return the same model, solved elsewhere.

        Parameters
        ----------
        device : str or device, optional
            "cuda", "cuda:1", or a device of the library; None for its default one.
        xp : module, optional
            Array library; CuPy by default where the device is of CUDA, else NumPy.

        Returns
        -------
        DysonHessian
            With the same network, data, part and coupling.

        Raises
        ------
        ImportError
            If the library is not installed.
        ValueError
            If it has no such device.
        """
        return replace(self, xp=xp, device=device)

    @cached_property
    def place(self) -> Placement:
        """Where the equation is solved."""
        return place_of(self.xp, self.device)

    @property
    def parameter_count(self) -> int:
        """P = n1 (n0 + n2): the number of eigenvalues."""
        n1, n0 = self.features.shape[0], self.x.shape[1]
        return int(n1 * (n0 + self.outputs))

    def mean(self) -> float:
        """Mean eigenvalue, exact for the model.

        Returns
        -------
        float
            In the units of the eigenvalues.
        """
        return mean_eigenvalue(self)

    # The equation --------------------------------------------------------------------------------

    @cached_property
    def equation(self) -> BlockEquation | FreeSlopes:
        """The equation that is solved, by part and coupling."""
        return equation_of(self)

    # Results -------------------------------------------------------------------------------------

    def atom_at_zero(self) -> Solution:
        """Mass of the law at zero, k/P for k null directions, with its error.

        Returns
        -------
        Solution
            `value` and `error` as arrays of shape (), see `rmtland.models.dyson.null_space`.
        """
        return atom_at_zero(self)

    def solve_index(self) -> Solution:
        """Fraction of negative eigenvalues with its error, from heights that fall to zero.

        The atom at zero (`atom_at_zero`) is no part of it.

        Returns
        -------
        Solution
            `value` and `error` as arrays of shape (); `steps` counts the heights.
        """
        if self.part_name == "gauss_newton":
            zero = np.zeros(())
            return Solution(zero, Status.CONVERGED, zero, np.zeros((), dtype=np.int64), zero)
        states = SolvedStates()
        return index_from_above(
            lambda z: self.solve(z, throw=False, states=states),
            lambda z: self.cdf_above(z, states=states),
            float(np.hypot(self.mean(), np.sqrt(self.var()))),
            atom=self.atom_at_zero(),
        )

    @cached_property
    def law(self) -> TabulatedLaw:
        """The law, tabulated with its error (`tabulated_law`, where there are options)."""
        return tabulated_law(self)

    def sample(self, n: int | None = None, *, rng: Rng = None, runs: int = 1) -> Spectrum:
        """Draw W2 and residuals, Gaussian, and return all eigenvalues of the exact matrices.

        Features, slopes, data and curvatures stay as they are.

        Parameters
        ----------
        n : int, optional
            Number of eigenvalues: can only be `parameter_count`.
        rng : anything `numpy.random.default_rng` takes
            Seed or generator.
        runs : int
            Number of independent draws.

        Returns
        -------
        Spectrum
            Nodes of shape (runs, parameter_count).

        Raises
        ------
        ValueError
            If n is another number: the first layer and the data are given.
        MemoryError
            If a matrix would not fit into memory.
        """
        return sampled_spectrum(self, n, rng=rng, runs=runs)

    of_part = renamed_method("of_part", "part")
    smoothed_density = renamed_method("smoothed_density", "smoothed_pdf")
    march = renamed_method("march", "solve_along")
    bends = renamed_method("bends", "curvatures")


# the field has another name than the method `part`
DysonHessian.__init__ = renamed_argument("part", "part_name")(  # type: ignore[method-assign]
    renamed_argument("bends", "curvatures")(DysonHessian.__init__)
)
