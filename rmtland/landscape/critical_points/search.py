r"""The search for critical points of a network's loss: many starts, a finder, and what was found.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.
.. [2] C. G. Frye, J. Simon, N. S. Wadia, A. Ligeralde, M. R. DeWeese and K. E. Bouchard, Critical
       point-finding methods reveal gradient-flat regions of deep network losses, Neural Computation
       33 (2021) 1469-1497, arXiv:2003.10397.

Examples
--------
>>> import numpy as np
>>> from rmtland.landscape.critical_points.finders import CappedNewton
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(12, 3, rng=0), MLP((3, 3, 3), weight_decay=1e-2)
>>> points = find_critical_points(net, data.x, data.y, finder=CappedNewton(), starts=4, rng=1)
>>> points
<CriticalPoints: 4 proved>
>>> len({point.index for point in points}) > 1
True
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rmtland.arguments import length, truth
from rmtland.landscape.critical_points.critical_point import CriticalPoint, CriticalPoints
from rmtland.landscape.critical_points.finders import CappedNewton, Finder, checked_finder
from rmtland.landscape.critical_points.flatness import Flatness
from rmtland.landscape.critical_points.null_directions import NullDirections
from rmtland.landscape.critical_points.proofs.ball_functions import flint
from rmtland.landscape.critical_points.proofs.newton_test import Proof, Unproved, prove
from rmtland.landscape.critical_points.proofs.statement import Problem
from rmtland.landscape.critical_points.starts import trained_start
from rmtland.landscape.critical_points.surface_search import checked_starts, search_surface
from rmtland.landscape.surface import LossSurface, NetworkSurface
from rmtland.networks import MLP, LossPoint
from rmtland.streams import random_generator
from rmtland.sweep import Grid, Serial, Store, run
from rmtland.typing import ArrayLike, Real, Record, Rng

if TYPE_CHECKING:
    from rmtland.sweep.executors import AnyExecutor

__all__ = ["find_critical_points"]

FORMAT = b"3"
"""Of what a store keeps of a point; a store with another one is computed anew."""

WORTH_A_PROOF = 1e-8
"""Largest square of the gradient at which a proof is tried."""


def find_critical_points(
    network: MLP | LossSurface,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    *,
    finder: Finder | None = None,
    starts: int | ArrayLike = 10,
    weight_decay: float | None = None,
    prove: bool | None = None,
    spectrum: bool = False,
    rng: Rng = None,
    store: Store | str | os.PathLike[str] | None = None,
    executor: AnyExecutor | str | None = None,
    progress: bool | None = False,
) -> CriticalPoints:
    """Search for critical points of the loss of a network from many starts.

    Parameters
    ----------
    network : MLP or LossSurface
        The network, of any depth and loss; or another loss: a PyTorch model in double precision
        (`rmtland.landscape.surface.TorchSurface`), any function (`FunctionSurface`).
    x, y : array_like
        Data, as `MLP.at` takes them; a surface has its own.
    finder : Finder, optional
        How to search; `CappedNewton()` by default.
    starts : int or array_like of shape (k, p), optional
        How many starts, drawn uniform in energy along training, or the starts themselves (not for
        a finder that makes its own). Parameters of a model are drawn of the size that they have in
        each block; for a function the starts are given.
    weight_decay : float, optional
        In place of the network's; added to another loss.
    prove : bool, optional
        Prove each point and its index (needs python-flint and a smooth activation). By default
        where the network is an MLP; nothing is proved of other losses.
    spectrum : bool, optional
        Keep the eigenvalues of each Hessian.
    rng : optional
        Anything `numpy.random.default_rng` takes; each start has a stream of its own.
    store : Store or path-like, optional
        A file for the results: the same call resumes an interrupted search.
    executor : optional
        Who computes, see `rmtland.sweep.run`; this process by default. The points do not depend on
        it, to the last bit.
    progress : bool, optional
        Show a bar on standard error; None where that is a terminal.

    Returns
    -------
    CriticalPoints
        One a start, in their order.

    Raises
    ------
    ValueError
        For bad data or starts, where nothing can be proved of the activation, or for what is not
        done with other losses: proofs, `SymmetryType`, a store or an executor.
    TypeError
        If the network is neither, the finder none, or `prove`, `spectrum` or `progress` no truth
        value.
    ImportError
        If proofs are asked for and python-flint is not installed.

    Notes
    -----
    Without weight decay few points can be proved: branches of critical points run to infinity, and
    symmetries make null directions. Symmetry types are many, generic points costly.
    """
    finder = CappedNewton() if finder is None else checked_finder(finder)
    spectrum = truth("spectrum", spectrum)
    progress = None if progress is None else truth("progress", progress)
    prove = None if prove is None else truth("prove", prove)
    if not isinstance(network, MLP) and not hasattr(network, "value"):
        raise TypeError(
            "network must be an MLP, or a loss such as TorchSurface or FunctionSurface; got "
            f"{network!r}"
        )
    if not isinstance(network, MLP):
        if x is not None or y is not None or prove or store is not None or executor is not None:
            raise ValueError(
                "a surface has its data, nothing is proved of it, and it is searched in this "
                "process; leave out x, y, prove, store and executor"
            )
        return search_surface(
            network, finder, starts, weight_decay=weight_decay, spectrum=spectrum, rng=rng
        )
    if x is None or y is None:
        raise TypeError("x and y are missing: find_critical_points(network, x, y)")
    prove = prove is not False
    net = network if weight_decay is None else replace(network, weight_decay=weight_decay)
    point = net.at(np.zeros(net.parameter_count), x, y)
    NetworkSurface(point)
    if prove:
        flint()
        Problem.of(point)
    task = _Search(point, finder, None, prove, spectrum)
    root = _root(rng)
    if np.ndim(starts) == 0:
        many = length("starts", starts, min_value=0)
        grid = Grid({"start": range(many)}, root=root)
    else:
        given = checked_starts(starts, net.parameter_count)
        if finder.makes_its_start:
            raise ValueError(f"{finder} makes its own starts: give starts as their number")
        task = replace(task, starts=given)
        grid = Grid({"start": range(len(given))}, root=root)
    executor = Serial() if executor is None else executor
    if len(grid) == 0:
        return CriticalPoints([])
    results = run(task, grid, store=store, executor=executor, progress=progress)
    for failure in results.failures:
        raise ValueError(
            f"start {failure.parameters['start']} failed: {failure.type}: {failure.message}"
        )
    return CriticalPoints([_from_record(result.value) for result in results])


@dataclass(frozen=True, eq=False)
class _Search:
    """One task of the sweep: a start, a walk, an examination, perhaps a proof."""

    point: LossPoint
    finder: Finder
    starts: Real | None
    prove: bool
    spectrum: bool

    def __post_init__(self) -> None:
        """Set the name under which a store knows the task: network, data, finder and starts."""
        digest = hashlib.blake2b(FORMAT, digest_size=8)
        settings = (self.point.net, self.finder, self.prove, self.spectrum)
        digest.update(repr(settings).encode())
        starts = np.zeros(0) if self.starts is None else self.starts
        for array in (self.point.data.x, self.point.data.y, starts):
            digest.update(np.ascontiguousarray(array).tobytes())
        object.__setattr__(self, "__qualname__", f"search[{digest.hexdigest()}]")

    def __call__(self, start: int, seed: np.random.SeedSequence) -> Record:
        generator = np.random.default_rng(seed)
        surface = NetworkSurface(self.point)
        theta, start_energy = self.point.theta, float("nan")
        start_norm = float("inf")
        if self.starts is not None:
            theta = self.starts[start]
        elif not self.finder.makes_its_start:
            theta = trained_start(surface, rng=generator)
        if not self.finder.makes_its_start:
            start_energy = self.point.at(theta).energy
            start_norm = float(np.linalg.norm(theta))
        walk = self.finder.find(surface, theta, rng=generator)
        here = self.point.at(walk.theta)
        found, why_not = None, ""
        square = float(here.gradient @ here.gradient)
        if self.prove and square > WORTH_A_PROOF:
            why_not = f"the square of the gradient is {square:.3g}"
        elif self.prove:
            answer = prove(Problem.of(here), walk.theta)
            if isinstance(answer, Unproved):
                why_not = answer.reason
            else:
                found, here = answer, self.point.at(answer.theta)
        return _to_record(
            CriticalPoint.of(
                here,
                proof=found,
                start_norm=start_norm,
                spectrum=self.spectrum,
                why_not=why_not,
                steps=walk.steps,
                reason=walk.reason,
                start_energy=start_energy,
                groups=walk.groups,
            )
        )


_PLAIN = (
    "status",
    "energy",
    "index",
    "gradient_square",
    "relative_gradient",
    "weight_norm",
    "why_not",
    "steps",
    "reason",
)


def _to_record(point: CriticalPoint) -> Record:
    """Return a point as numbers, strings and arrays, as a store keeps them."""
    record: Record = {name: getattr(point, name) for name in _PLAIN}
    record["theta"] = point.theta
    record["start_energy"] = point.start_energy
    record["null_directions"] = np.array(point.null_directions)
    record["flatness"] = None if point.flatness is None else np.array(point.flatness)
    record["groups"] = json.dumps(point.groups)
    record["eigenvalues"] = point.eigenvalues
    proof = point.proof
    record["proof"] = (
        None
        if proof is None
        else np.array([proof.radius, proof.uniqueness_radius, proof.gap, proof.contraction])
    )
    return record


def _from_record(record: Record) -> CriticalPoint:
    null = NullDirections(*(int(many) for many in record["null_directions"]))
    proof = None
    if record["proof"] is not None:
        radius, unique, gap, contraction = (float(number) for number in record["proof"])
        proof = Proof(record["theta"], radius, unique, record["index"], gap, contraction)
    flat = record["flatness"]
    groups = json.loads(record["groups"])
    return CriticalPoint(
        **{name: record[name] for name in _PLAIN},
        theta=record["theta"],
        start_energy=record["start_energy"],
        nullity=sum(null),
        null_directions=null,
        flatness=None if flat is None else Flatness(*(float(number) for number in flat)),
        proof=proof,
        groups=None if groups is None else tuple(tuple(sizes) for sizes in groups),
        eigenvalues=record["eigenvalues"],
    )


def _root(rng: Rng) -> int:
    """Return the root of the streams: a number itself, or one that is drawn."""
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0:
        return int(rng)
    return int(random_generator(rng).integers(2**62))
