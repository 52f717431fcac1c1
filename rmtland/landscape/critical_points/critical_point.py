r"""Critical points that were found, and what each of them is.

A status says what is known of a point:

- "proved": there is exactly one critical point in a stated ball, and its index is proved
  (`rmtland.landscape.critical_points.proofs.newton_test`);
- "critical": the gradient is at most 1e-10 of its scale (below) and the point is not gradient-flat;
  no proof was asked for, or none succeeded (there are null directions, say);
- "flat": gradient-flat by the tests of Frye et al.: the walk was trapped where the gradient lies in
  the kernel of the Hessian;
- "escaping": the weights have grown to more than ten times their start without an end;
- "unfinished": none of these; also where the gradient vanishes at a kink of the loss, of ReLU
  units for example (`rmtland.landscape.critical_points.kinks`), as the loss has no index there.

The scale of gradients is :math:`\sqrt{2 \|H\|_F L_0}`, with :math:`L_0` the loss of zero
parameters: for half the squared error :math:`|g| = |J^T e|/m \le \sqrt{2 \|H_0\|_2 L}` by
Cauchy and Schwarz, which :math:`L_0`, the size of the targets, turns into a number that does not
vanish with the residuals. Other functions may be negative, or known up to a constant only: their
scale is :math:`\|H\|_F R`, with R the norm of the parameters, at the point or at the start of the
walk, whichever is larger; so it is where :math:`L_0 = 0`. The scales change with the units of the
loss, of data and of parameters as the gradient does, so that the status does not depend on them.

References
----------
.. [1] C. G. Frye, J. Simon, N. S. Wadia, A. Ligeralde, M. R. DeWeese and K. E. Bouchard, Critical
       point-finding methods reveal gradient-flat regions of deep network losses, Neural Computation
       33 (2021) 1469-1497, arXiv:2003.10397.

Examples
--------
>>> import numpy as np
>>> from rmtland.networks import MLP
>>> point = CriticalPoint.of(MLP((1, 1), weight_decay=1.0).at([0.5], [[1.0]], [[1.0]]))
>>> point.status, point.index, point.gradient_square
('critical', 0, 0.0)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from rmtland.arguments import entries, instance
from rmtland.landscape.critical_points.flatness import Flatness, flatness
from rmtland.landscape.critical_points.kinks import is_bent, kinks
from rmtland.landscape.critical_points.null_directions import NullDirections, null_directions
from rmtland.landscape.critical_points.proofs.newton_test import Proof
from rmtland.landscape.critical_points.surface_point import SurfacePoint
from rmtland.networks import MLP, LossPoint
from rmtland.networks.overflow import squared_norm
from rmtland.spectrum import Spectrum
from rmtland.spectrum.inertia import inertia
from rmtland.typing import Real

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["STATUSES", "CriticalPoint", "CriticalPoints"]

STATUSES = ("proved", "critical", "flat", "escaping", "unfinished")
"""What may be known of a point, the most first."""

CRITICAL, ESCAPE, ZERO = 1e-10, 10.0, 1e-9


@dataclass(frozen=True, eq=False)
class CriticalPoint:
    """A point where a search ended.

    Made by `rmtland.landscape.critical_points.find_critical_points`.

    Parameters
    ----------
    theta : ndarray, shape (p,)
        The parameters.
    status : str
        One of `STATUSES`.
    energy : float
        Loss per output, without the weight decay.
    index : int
        Number of negative eigenvalues of the Hessian, by exact inertia (those that count as zero
        left out), or as proved.
    nullity : int
        Number of eigenvalues that count as zero: at most 1e-9 of the Frobenius norm in modulus.
    gradient_square : float
        Square of the norm of the gradient, in double precision.
    weight_norm : float
        Norm of the parameters.
    null_directions : NullDirections
        The zero eigenvalues by cause.
    flatness : Flatness or None
        Numbers that tell gradient-flat points; None for proved ones.
    proof : Proof or None
        What is proved.
    why_not : str
        Why nothing is proved, if that was tried.
    steps : int
        Of the walk.
    reason : str
        How the walk ended, see `Walk`.
    start_energy : float
        Energy where it started; nan where the finder made its start.
    groups : tuple of tuple of int, optional
        Sizes of the groups of equal units, where the finder made them.
    eigenvalues : ndarray, shape (p,), optional
        Of the Hessian, ascending, where they were asked for.
    relative_gradient : float
        Norm of the gradient over its scale; nan for proved points.
    """

    theta: Real
    status: str
    energy: float
    index: int
    nullity: int
    gradient_square: float
    weight_norm: float
    null_directions: NullDirections
    flatness: Flatness | None = None
    proof: Proof | None = None
    why_not: str = ""
    steps: int = 0
    reason: str = ""
    start_energy: float = float("nan")
    groups: tuple[tuple[int, ...], ...] | None = None
    eigenvalues: Real | None = field(default=None, repr=False)
    relative_gradient: float = float("nan")

    @classmethod
    def of(
        cls,
        point: LossPoint | SurfacePoint,
        *,
        proof: Proof | None = None,
        start_norm: float = float("inf"),
        spectrum: bool = False,
        **known: Any,
    ) -> CriticalPoint:
        """Examine a point.

        Parameters
        ----------
        point : LossPoint or SurfacePoint
            The loss there.
        proof : Proof, optional
            What is proved; `point` is at its centre.
        start_norm : float, optional
            Norm of the parameters where the walk started.
        spectrum : bool, optional
            Keep all eigenvalues of the Hessian.
        **known : Any
            Further fields.

        Returns
        -------
        CriticalPoint
            What the point is.

        Raises
        ------
        ValueError
            If the loss, a derivative or the square of the gradient overflows.
        """
        gradient = np.asarray(point.gradient)
        square = squared_norm("gradient", gradient)
        norm = float(np.linalg.norm(point.theta))
        nothing = NullDirections(0, 0, 0, 0)
        hessian: Real | None = None if proof and not spectrum else point.hessian("total")
        relative = float("nan")
        if proof is not None:
            status, index, null, flat = "proved", proof.index, nothing, None
        else:
            assert hessian is not None
            tolerance = ZERO * math.sqrt(squared_norm("Hessian", np.ravel(hessian)))
            counts = inertia(hessian, zero_tolerance=tolerance)
            index, null = counts.negative, nothing
            if counts.zero and isinstance(point, LossPoint) and isinstance(point.net, MLP):
                null = null_directions(point, hessian, tolerance)
            elif counts.zero:
                null = NullDirections(0, 0, 0, counts.zero)
            flat = flatness(hessian, gradient)
            least_norm = max(norm, start_norm if math.isfinite(start_norm) else 0.0)
            relative = _relative_gradient(point, hessian, math.sqrt(square), least_norm)
            status = _status(relative, flat, norm / start_norm if start_norm else 1.0)
            if status == "critical" and (why := _bend(point, hessian, least_norm)):
                status, known["why_not"] = "unfinished", why
        eigenvalues: Real | None = None
        if spectrum and hessian is not None:
            eigenvalues = np.linalg.eigvalsh(hessian).astype(np.float64)
        return cls(
            theta=np.array(point.theta),
            status=status,
            energy=point.energy,
            index=index,
            nullity=sum(null),
            gradient_square=square,
            weight_norm=norm,
            null_directions=null,
            flatness=flat,
            proof=proof,
            eigenvalues=eigenvalues,
            relative_gradient=relative,
            **known,
        )

    @property
    def relative_index(self) -> float:
        """The index over the number of parameters, alpha of Pennington & Bahri."""
        return self.index / len(self.theta)

    def spectrum(self) -> Spectrum:
        """Return the eigenvalues of the Hessian.

        Returns
        -------
        Spectrum
            Of order one, with equal weights.

        Raises
        ------
        ValueError
            If they were not kept.
        """
        if self.eigenvalues is None:
            raise ValueError("eigenvalues were not kept: search with spectrum=True")
        return Spectrum(self.eigenvalues)


def _bend(point: LossPoint | SurfacePoint, hessian: Real, least_norm: float) -> str:
    """Return why a point at a kink has no index, or an empty string elsewhere."""
    if isinstance(point, LossPoint):
        many = kinks(point, least_norm=least_norm)
        where = f"{many} pairs of unit and sample lie at a kink of the activation" if many else ""
    else:
        where = (
            "the point lies at a kink of the loss"
            if is_bent(point, hessian, least_norm=least_norm)
            else ""
        )
    return where and f"{where}: the Hessian there is that of one side, and its index not the loss's"


def _relative_gradient(
    point: LossPoint | SurfacePoint, hessian: Real, size: float, least_norm: float
) -> float:
    """Return the norm of a gradient over its scale."""
    if size == 0.0:
        return 0.0
    curvature, scale = float(np.linalg.norm(hessian)), 0.0
    if isinstance(point, LossPoint):
        scale = math.sqrt(2.0 * curvature * float(point.at(np.zeros(len(hessian))).loss))
    scale = scale or curvature * least_norm
    return size / scale if scale else math.inf


def _status(relative: float, flat: Flatness, growth: float) -> str:
    if relative <= CRITICAL and not flat.is_flat:
        return "critical"
    if growth > ESCAPE:
        return "escaping"
    return "flat" if flat.is_flat else "unfinished"


class CriticalPoints(Sequence[CriticalPoint]):
    """Points where searches ended, in the order of their starts.

    Parameters
    ----------
    points : sequence of CriticalPoint
        The points.

    Raises
    ------
    TypeError
        If one is none.
    """

    def __init__(self, points: Sequence[CriticalPoint]) -> None:
        self._points: tuple[CriticalPoint, ...] = entries("points", points)
        for place, point in enumerate(self._points):
            instance(f"points[{place}]", point, CriticalPoint, "a CriticalPoint")

    def __len__(self) -> int:
        return len(self._points)

    @overload
    def __getitem__(self, place: int) -> CriticalPoint: ...
    @overload
    def __getitem__(self, place: slice) -> CriticalPoints: ...
    def __getitem__(self, place: int | slice) -> CriticalPoint | CriticalPoints:
        if isinstance(place, slice):
            return CriticalPoints(self._points[place])
        return self._points[place]

    def __iter__(self) -> Iterator[CriticalPoint]:
        return iter(self._points)

    def __repr__(self) -> str:
        """Return how many there are of each status."""
        counts = ", ".join(f"{many} {status}" for status, many in self.counts.items() if many)
        return f"<CriticalPoints: {counts or 'none'}>"

    @property
    def counts(self) -> dict[str, int]:
        """How many points have each status."""
        return {status: sum(p.status == status for p in self) for status in STATUSES}

    def of_status(self, *statuses: str) -> CriticalPoints:
        """Return the points with one of some statuses.

        Parameters
        ----------
        *statuses : str
            Of `STATUSES`.

        Returns
        -------
        CriticalPoints
            In their order.

        Raises
        ------
        ValueError
            For an unknown status.
        """
        for status in statuses:
            if status not in STATUSES:
                raise ValueError(f"status must be one of {', '.join(STATUSES)}; got {status!r}")
        return CriticalPoints([point for point in self if point.status in statuses])

    @property
    def energies(self) -> Real:
        """Energies, one a point."""
        return np.array([point.energy for point in self])

    @property
    def indices(self) -> Real:
        """Indices over the number of parameters, one a point."""
        return np.array([point.relative_index for point in self])

    def plot(self, ax: Axes | None = None) -> list[Artist]:
        """Draw the index against the energy, a marker for each status.

        Parameters
        ----------
        ax : Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        list of Artist
            One for each status that occurs.
        """
        from rmtland.drawing import COLORS, new_axes

        axes = new_axes(ax)
        drawn: list[Artist] = []
        looks = dict(zip(STATUSES, zip(COLORS, "osv^x", strict=False), strict=True))
        for status, (color, marker) in looks.items():
            some = self.of_status(status)
            if len(some):
                label = f"{status} ({len(some)})"
                drawn += axes.plot(
                    some.energies, some.indices, marker, ms=4, color=color, alpha=0.8, label=label
                )
        axes.set_xlabel("energy (loss per output)")
        axes.set_ylabel("index (fraction of negative eigenvalues)")
        if drawn:
            axes.legend(frameon=False)
        return drawn
