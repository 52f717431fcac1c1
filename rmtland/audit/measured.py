"""What is measured of a Hessian: the spectra of H, H0 and H1, and the point they belong to.

The spectra are eigenvalues, or estimates with weights; those of the parts may be missing. Laws of
free probability need nothing else; laws that know the data need the point of the network.

Examples
--------
>>> from rmtland import Spectrum
>>> measured = MeasuredHessian(Spectrum([-1.0, 0.0, 2.0]), phi=0.5, energy=0.1)
>>> measured.size, measured.gauss_newton is None
(3, True)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from rmtland.arguments import nonnegative, positive, truth
from rmtland.arrays import to_numpy
from rmtland.networks import LossPoint
from rmtland.spectrum import Spectrum
from rmtland.typing import Array, Real

if TYPE_CHECKING:
    from rmtland.networks.loss_value import Network

__all__ = [
    "MeasuredHessian",
    "Progress",
    "effective_ratio",
    "is_piecewise_linear",
    "silent",
    "symmetric_parts",
]

Progress = Callable[[str, int, int], object]
"""Called with what is done, how many of its steps are done, and how many there are."""

_PIECEWISE_LINEAR = ("relu", "leaky_relu")


@dataclass(frozen=True, eq=False)
class MeasuredHessian:
    """Measured spectra of a Hessian and of its parts.

    Parameters
    ----------
    total : Spectrum
        Of H.
    gauss_newton, residual : Spectrum, optional
        Of H0 and H1.
    phi : float, optional
        Parameters per effective example, p / (m n_out).
    energy : float, optional
        Loss of a network over its outputs, >= 0.
    piecewise_linear : bool
        Whether the activation is, so that H1 may be a ReLU block.
    point : LossPoint, optional
        Network, parameters and data.
    """

    total: Spectrum
    gauss_newton: Spectrum | None = None
    residual: Spectrum | None = None
    phi: float | None = None
    energy: float | None = None
    piecewise_linear: bool = False
    point: LossPoint | None = None

    def __post_init__(self) -> None:
        for name in ("total", "gauss_newton", "residual"):
            value = getattr(self, name)
            if not isinstance(value, Spectrum) and (name == "total" or value is not None):
                raise TypeError(
                    f"{name} must be a Spectrum (see Spectrum.from_matrix); got "
                    f"{type(value).__name__}"
                )
        first = self.gauss_newton
        if first is not None and not first.mean() > 0.0:
            raise ValueError(
                f"the mean eigenvalue of the Gauss-Newton part is {first.mean():.3g}; levels of "
                "theory need a positive one: look whether the parts were confused, or leave it out"
            )
        object.__setattr__(
            self, "piecewise_linear", truth("piecewise_linear", self.piecewise_linear)
        )
        if self.phi is not None:
            object.__setattr__(self, "phi", positive("phi", self.phi))
        if self.energy is not None:
            object.__setattr__(self, "energy", nonnegative("energy", self.energy))

    @classmethod
    def of_point(cls, point: LossPoint) -> Self:
        """Measure the exact Hessian of a network at a point.

        Parameters
        ----------
        point : LossPoint
            Network, parameters and data, in double precision.

        Returns
        -------
        MeasuredHessian
        """
        split = point.hessian()
        return cls.of_parts(point, split.gauss_newton, split.residual)

    @classmethod
    def of_parts(cls, point: LossPoint, gauss_newton: Array, residual: Array) -> Self:
        """Diagonalise given parts of the Hessian of a network.

        Parameters
        ----------
        point : LossPoint
            Network, parameters and data.
        gauss_newton, residual : array_like, shape (p, p)
            H0 and H1.

        Returns
        -------
        MeasuredHessian
        """
        total, first, second = symmetric_parts(_matrix(gauss_newton), _matrix(residual))
        return cls(
            Spectrum(total),
            Spectrum(first),
            Spectrum(second),
            phi=effective_ratio(point),
            energy=float(point.energy),
            piecewise_linear=is_piecewise_linear(point.net),
            point=point,
        )

    @property
    def size(self) -> int:
        """Number of eigenvalues p."""
        return int(self.total.dimension or self.total.nodes.shape[1])


def effective_ratio(point: LossPoint) -> float:
    """Return phi, the parameters per effective example, p / (m n_out).

    Parameters
    ----------
    point : LossPoint
        Network and data.

    Returns
    -------
    float
    """
    net = point.net
    return float(net.parameter_count / (point.data.size * net.n_out))


def is_piecewise_linear(net: Network) -> bool:
    """Whether the activation of a network is, so that H1 may be a ReLU block.

    Parameters
    ----------
    net : Network
        Any.

    Returns
    -------
    bool
    """
    return getattr(net.activation, "name", net.activation) in _PIECEWISE_LINEAR


def symmetric_parts(gauss_newton: Real, residual: Real) -> tuple[Real, Real, Real]:
    """Return the eigenvalues of H0 + H1, of H0 and of H1.

    Parameters
    ----------
    gauss_newton, residual : ndarray, shape (p, p)
        H0 and H1.

    Returns
    -------
    tuple of ndarray, shape (p,)
        Ascending. Where H1 vanishes those of H and H0 are equal to the last bit.
    """
    first: Real = np.asarray(np.linalg.eigvalsh(gauss_newton), dtype=np.float64)
    if not residual.any():
        return first, first, np.zeros(first.size)
    total: Real = np.asarray(np.linalg.eigvalsh(gauss_newton + residual), dtype=np.float64)
    return total, first, np.asarray(np.linalg.eigvalsh(residual), dtype=np.float64)


def _matrix(array: Array) -> Real:
    return np.asarray(to_numpy(array).astype(np.float64))


def silent(what: str, done: int, total: int) -> None:
    """Tell nothing of what is being done."""
    del what, done, total
