r"""Certificates: files that say where critical points are, for another program to check.

A certificate holds the network, the data, and for each point the centre of a ball, two radii, the
index and a bound of the eigenvalues. It states that

    the loss has exactly one critical point within `uniqueness_radius` of `theta`, it lies within
    `radius`, its Hessian has `index` negative eigenvalues, and none of its eigenvalues is smaller
    than `gap` in modulus.

`Certificate.verify` proves that again from the file alone. Another program needs only NumPy to read
it: an .npz file without pickle, with the arrays

- x (m, n_in), y (m, n_out), theta (k, p), radius, uniqueness_radius, index, gap (k,);
- header: JSON with widths, activation, bias, loss, weight_decay, parametrisation and a BLAKE2b
  digest of these (as JSON with sorted keys) and of the arrays.

Parameters are laid out layer by layer, (W_1, b_1, W_2, ...), each matrix row by row, as in
`rmtland.networks.mlp`.

References
----------
.. [1] R. Krawczyk, Newton-Algorithmen zur Bestimmung von Nullstellen mit Fehlerschranken, Computing
       4 (1969) 187-201.
.. [2] S. M. Rump, Verification methods: rigorous results using floating-point arithmetic, Acta
       Numerica 19 (2010) 287-449.

Examples
--------
>>> import tempfile
>>> from rmtland.landscape.critical_points import SymmetryType, find_critical_points
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(12, 3, rng=0), MLP((3, 3, 3), weight_decay=1e-2)
>>> points = find_critical_points(net, data.x, data.y, finder=SymmetryType(), starts=3, rng=0)
>>> certificate = Certificate.of(net, data.x, data.y, points)
>>> with tempfile.TemporaryDirectory() as folder:
...     Certificate.load(certificate.save(f"{folder}/points.npz")).verify()
['', '', '']
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rmtland.landscape.critical_points.critical_point import CriticalPoint
from rmtland.landscape.critical_points.proofs.newton_test import Unproved, prove
from rmtland.landscape.critical_points.proofs.statement import Problem
from rmtland.networks import MLP
from rmtland.spectrum.files import read_arrays, write_arrays
from rmtland.typing import ArrayLike, Integer, Real, Record

__all__ = ["Certificate"]

KIND = "critical points"
ARRAYS = ("x", "y", "theta", "radius", "uniqueness_radius", "index", "gap")
KINDS = {"index": np.dtype(np.int64)}
"""Of the arrays that are not float64."""

SLACK = 2.0
"""Stated radii are this much larger than proved, gaps smaller: other machines round otherwise."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """What is proved of the critical points of one network on its data.

    Parameters
    ----------
    net : MLP
        The network.
    x, y : ndarray, shape (m, n_in) and (m, n_out)
        The data; labels as indicator variables.
    theta : ndarray, shape (k, p)
        Centres, one row a point.
    radius, uniqueness_radius : ndarray, shape (k,)
        There is one critical point within the second, and it lies within the first.
    index : ndarray of int, shape (k,)
        Numbers of negative eigenvalues.
    gap : ndarray, shape (k,)
        Below the modulus of all eigenvalues.

    Raises
    ------
    ValueError
        If an array has another shape or type of number than the network and the others ask for.
    """

    net: MLP
    x: Real
    y: Real
    theta: Real
    radius: Real
    uniqueness_radius: Real
    index: Integer
    gap: Real

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together, or of other numbers than are proved of."""
        for name in ARRAYS:
            given, kind = np.asarray(getattr(self, name)), KINDS.get(name, np.dtype(np.float64))
            if given.dtype.kind != kind.kind or given.dtype.itemsize != kind.itemsize:
                raise ValueError(f"{name} must be an array of {kind}; got {given.dtype}")
            object.__setattr__(self, name, given.astype(kind, order="C"))
        rows = len(self.x) if self.x.ndim == 2 else -1
        for name, width in (("x", self.net.n_in), ("y", self.net.n_out)):
            if getattr(self, name).shape != (rows, width):
                raise ValueError(
                    f"{name} must have shape (m, {width}); got {getattr(self, name).shape}"
                )
        k = len(self.theta) if self.theta.ndim == 2 else -1
        p = self.net.parameter_count
        shapes = {name: getattr(self, name).shape for name in ARRAYS[3:]}
        if k < 0 or self.theta.shape[1] != p or any(shape != (k,) for shape in shapes.values()):
            raise ValueError(
                f"theta must have shape (k, {p}) and the rest (k,); got {self.theta.shape} and "
                f"{shapes}"
            )

    @classmethod
    def of(
        cls, net: MLP, x: ArrayLike, y: ArrayLike, points: Iterable[CriticalPoint]
    ) -> Certificate:
        """Return the certificate of the proved ones among some points, each proved once more.

        Parameters
        ----------
        net : MLP
            The network, with the weight decay of the search.
        x, y : array_like
            The data.
        points : iterable of CriticalPoint
            Those that are not proved are left out.

        Returns
        -------
        Certificate
            Of as many points as are proved.

        Raises
        ------
        ValueError
            If one of them is not proved for that network on these data.
        """
        proofs = [point.proof for point in points if point.proof is not None]
        problem = Problem.of(net.at(np.zeros(net.parameter_count), x, y))
        found = cls(
            replace(net, activation=problem.activation),
            problem.x,
            problem.y,
            np.array([proof.theta for proof in proofs]).reshape(-1, net.parameter_count),
            np.array([SLACK * proof.radius for proof in proofs]),
            np.array([proof.uniqueness_radius for proof in proofs]),
            np.array([proof.index for proof in proofs], dtype=np.int64),
            np.array([proof.gap / SLACK for proof in proofs]),
        )
        for place, complaint in enumerate(found.verify()):
            if complaint:
                raise ValueError(
                    f"proved point {place} is not proved for {net} on these data: {complaint}; "
                    "give the network with the weight decay of the search, and its data"
                )
        return found

    def __len__(self) -> int:
        return len(self.theta)

    def __repr__(self) -> str:
        """Return network and number of points in place of the arrays."""
        return f"<Certificate of {len(self)} critical points of {self.net}>"

    def verify(self) -> list[str]:
        """Prove every statement again.

        Returns
        -------
        list of str
            For each point "", or what is not proved.

        Raises
        ------
        ImportError
            If python-flint is not installed.
        """
        problem = Problem(self.net, self.x, self.y)
        return [self._complaint(problem, place) for place in range(len(self))]

    def _complaint(self, problem: Problem, place: int) -> str:
        stated, unique = float(self.radius[place]), float(self.uniqueness_radius[place])
        if not 0.0 < unique < np.inf:
            return f"its uniqueness radius is {unique}"
        if not np.isfinite(self.theta[place]).all():
            return "its centre is not finite"
        found = prove(problem, self.theta[place], refine=False, radius=unique)
        if isinstance(found, Unproved):
            return found.reason
        if found.index != self.index[place]:
            return f"its index is {found.index}, not {self.index[place]}"
        if not found.radius <= stated:
            return f"proved within {found.radius:.3g}, not {stated:.3g}"
        if not found.gap >= self.gap[place]:
            return f"eigenvalues proved above {found.gap:.3g}, not {self.gap[place]:.3g}"
        return ""

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the certificate to an .npz file (no pickle), whole or not at all.

        Parameters
        ----------
        path : path-like
            The file; `.npz` is appended where it is missing.

        Returns
        -------
        Path
            The file written.
        """
        header = {**self._network(), "digest": self.digest}
        return write_arrays(path, header, {name: getattr(self, name) for name in ARRAYS}, kind=KIND)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Certificate:
        """Read a certificate; nothing in it is believed before `verify`.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        Certificate
            As it was saved.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is no certificate, or damaged.
        """
        header, arrays = read_arrays(path, kind=KIND)
        try:
            net = MLP(
                tuple(header["widths"]),
                header["activation"],
                header["bias"],
                loss=header["loss"],
                weight_decay=header["weight_decay"],
                parametrisation=header["parametrisation"],
            )
            found = cls(net, *(arrays[name] for name in ARRAYS))
            # targets and inputs that no network of that kind takes are refused here
            net.at(np.zeros(net.parameter_count), found.x, found.y)
            digest = header["digest"]
        except KeyError as error:
            raise ValueError(f"{os.fspath(path)} is damaged: it has no {error}") from None
        except (TypeError, ValueError) as error:
            raise ValueError(f"{os.fspath(path)} is damaged: {error}") from None
        if digest != found.digest:
            raise ValueError(
                f"{os.fspath(path)} is damaged: network and arrays have another digest"
            )
        return found

    def _network(self) -> Record:
        """Return what a file says of the network."""
        net = self.net
        return {
            "widths": list(net.widths),
            "activation": net.activation if isinstance(net.activation, str) else "",
            "bias": net.bias,
            "loss": net.loss,
            "weight_decay": net.weight_decay,
            "parametrisation": net.parametrisation,
        }

    @property
    def digest(self) -> str:
        """BLAKE2b digest of network and arrays, in hexadecimal digits."""
        hashed = hashlib.blake2b(digest_size=16)
        hashed.update(json.dumps(self._network(), sort_keys=True).encode())
        for name in ARRAYS:
            hashed.update(getattr(self, name).tobytes())
        return hashed.hexdigest()
