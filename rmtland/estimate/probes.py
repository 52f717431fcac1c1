r"""Lanczos from random probes: drawn, grouped, advanced together, resumed, spread over machines.

A probe is a vector of independent standard Gaussian entries (complex ones for a Hermitian matrix),
drawn from a stream of its own: probe i depends on the seed and on i only. Probes are advanced
together as far as their bases fit into half of the free memory, so that products are products of
blocks, or one by one on any executor of `rmtland.sweep`.

References
----------
.. [1] S. Ubaru, J. Chen and Y. Saad, Fast estimation of tr(f(A)) via stochastic Lanczos quadrature,
       SIAM J. Matrix Anal. Appl. 38 (2017) 1075-1099.

Examples
--------
>>> import numpy as np
>>> from rmtland.estimate.operators import symmetric_operator
>>> operator = symmetric_operator(np.diag(np.arange(50.0)))
>>> found = krylov_quadratures(operator, probes=3, steps=10, rng=0)
>>> len(found.tridiagonals), found.draws, found.products
(3, 78.0, 30)
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from rmtland.arguments import count, length
from rmtland.estimate.checkpoint import Checkpoint, GroupCheckpoint
from rmtland.estimate.device_lanczos import DeviceLanczos
from rmtland.estimate.gaussian_probes import gaussian_probe
from rmtland.estimate.krylov_basis import (
    BasisStore,
    DiskBasis,
    MemoryBasis,
    available_bytes,
    basis_bytes,
)
from rmtland.estimate.lanczos import Lanczos, Tridiagonal
from rmtland.estimate.operators import SymmetricOperator, symmetric_operator
from rmtland.estimate.progress import Interrupted, products_bar
from rmtland.estimate.quadratures import KrylovOptions, KrylovQuadratures, checked_options
from rmtland.streams import seed_of, streams
from rmtland.typing import NumpyArray, Operator, Rng

__all__ = ["KrylovOptions", "KrylovQuadratures", "ProbeRuns", "krylov_quadratures"]


def krylov_quadratures(
    operator: Operator,
    *,
    probes: int,
    steps: int,
    rng: Rng = None,
    **options: Unpack[KrylovOptions],
) -> KrylovQuadratures:
    r"""Run Lanczos from Gaussian probes.

    .. formula:: Lanczos with partial reorthogonalisation, :math:`\omega` recurrence
        :by: rmtland.estimate.lanczos.Lanczos

    Parameters
    ----------
    operator : array_like, sparse matrix, operator or callable
        The matrix, as `symmetric_operator` takes it.
    probes : int
        Number m of probes.
    steps : int
        Steps k of each; at most p are taken.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    **options
        together : int, optional
            Probes advanced together: as many as fit into half of the free memory by default.
        reorthogonalize : {"partial", "full", "none"}, optional
            See `rmtland.estimate.lanczos`.
        basis : {"float64", "float32", "disk"}, optional
            Where the vectors are kept: in memory; in memory in single precision; in a file of the
            checkpoint's folder, or of a temporary one.
        checkpoint : path-like, optional
            Folder in which the state is kept after every step. The same call resumes there and ends
            with the same bytes (on as many threads), also where steps and probes are added until
            a width or an accuracy is reached; with ``rng=None`` the seed is read from it.
        executor : optional
            An executor of `rmtland.sweep` (`Processes()`, `Dask(...)`, any of concurrent.futures):
            each probe is a task.
        progress : bool, optional
            Show a bar with the time left; where stderr is a terminal by default.

    Returns
    -------
    KrylovQuadratures
        The Jacobi matrices, one a probe.

    Raises
    ------
    Interrupted
        On Ctrl-C; `partial` holds the quadratures by then.
    MemoryError
        Before anything is computed, if the basis does not fit into the free memory.
    ValueError
        For options that do not fit one another, or a checkpoint of another run.
    TypeError
        If there is no such option, `progress` is no truth value, or `checkpoint` is no path.

    See Also
    --------
    rmtland.estimate.spectral_density : the spectrum from them.

    References
    ----------
    .. [1] H. D. Simon, The Lanczos algorithm with partial reorthogonalization, Math. Comp. 42
           (1984) 115-142.
    """
    with ProbeRuns(symmetric_operator(operator), rng=rng, **options) as runs:
        runs.add(probes, steps)
        return runs.quadratures()


class ProbeRuns:
    """Probes whose Krylov spaces stay, so that steps and probes can be added; a context manager.

    Parameters
    ----------
    operator : SymmetricOperator
        The matrix.
    rng : optional
        Anything `numpy.random.default_rng` takes.
    keep : bool, optional
        Keep every basis, for further steps; otherwise a group's basis goes when it is done.
    **options
        As in `krylov_quadratures`.
    """

    def __init__(
        self,
        operator: SymmetricOperator,
        *,
        rng: Rng = None,
        keep: bool = False,
        **options: Unpack[KrylovOptions],
    ) -> None:
        chosen = checked_options(options)
        self.operator, self.keep = operator, keep
        self.together, self.progress = chosen["together"], chosen["progress"]
        self.reorthogonalize, self.basis = chosen["reorthogonalize"], chosen["basis"]
        self.checkpoint, self.executor = chosen["checkpoint"], chosen.get("executor")
        if self.executor is not None and (keep or self.basis == "disk"):
            raise ValueError(
                "an executor computes each probe in one go: neither a width nor basis='disk' "
                "goes with it"
            )
        if not operator.place.is_host:
            self._refuse_on_device()
        self._root = self._root_stream(rng)
        self._groups: list[Lanczos | DeviceLanczos] = []
        self._goals: list[int] = []
        self._done: list[Tridiagonal] = []
        self._saved: Checkpoint | None = None
        self._states: list[GroupCheckpoint | None] = []
        self._stack = ExitStack()
        self._before = operator.products

    def __enter__(self) -> ProbeRuns:
        return self

    def __exit__(self, *error: object) -> None:
        self._groups.clear()
        self._stack.close()

    def _refuse_on_device(self) -> None:
        """Say which options need vectors on the host."""
        for name, asked in (
            ("basis='disk'", self.basis == "disk"),
            ("checkpoint", self.checkpoint is not None),
            ("executor", self.executor is not None),
        ):
            if asked:
                raise ValueError(
                    f"{name} needs vectors on the host, and those of {self.operator.source} are on "
                    "a device: leave it out, or give a function that takes and returns NumPy arrays"
                )

    # Probes and steps ---------------------------------------------------------------------------

    def add(self, probes: int, steps: int) -> None:
        """Add probes and take their steps.

        Parameters
        ----------
        probes : int
            How many.
        steps : int
            Of each.
        """
        probes = length("probes", probes)
        steps = min(count("steps", steps), self.operator.dimension)
        seeds = self._root.spawn(probes)
        if self.executor is not None:
            self.together = 1
            self._open(probes, steps)
            self._done += self._elsewhere(seeds, steps)
            return
        self._open(probes, steps)
        size = self._group_size(probes, steps)
        with products_bar(probes * steps, self.progress) as show:
            finished = 0
            for start in range(0, probes, size):
                chosen = seeds[start : start + size]
                run, state = self._begin(chosen, steps)
                self._groups.append(run)
                self._goals.append(steps)
                self._run(run, state, steps, lambda done, before=finished: show(before + done))
                finished += len(chosen) * steps
                if not self.keep:
                    self._done += self._groups.pop().tridiagonals()
                    self._goals.pop()
                    if state is not None:
                        state.forget_basis()

    def extend(self, steps: int) -> None:
        """Take further steps from all probes.

        Parameters
        ----------
        steps : int
            Steps altogether.
        """
        self._goals = [min(steps, self.operator.dimension)] * len(self._groups)
        for run, state in zip(self._groups, self._states, strict=True):
            self._run(run, state, steps, lambda done: None)

    def quadratures(self) -> KrylovQuadratures:
        """Return what is known so far.

        Returns
        -------
        KrylovQuadratures
            Of all probes that took a step.
        """
        found = list(self._done)
        for run, goal in zip(self._groups, self._goals, strict=True):
            if run.step:  # a run that was resumed may be farther than its turn is
                found += [Tridiagonal(*(part[:goal] for part in one)) for one in run.tridiagonals()]
        return KrylovQuadratures(
            found,
            self.operator.size,
            self.operator.is_complex,
            seed_of(self._root),
            sum(len(one.alpha) for one in found),
        )

    # How ----------------------------------------------------------------------------------------

    def _root_stream(self, rng: Rng) -> np.random.Generator:
        """Return the stream whose children the probes are drawn from."""
        if rng is None and self.checkpoint is not None:
            header = Checkpoint.header(self.checkpoint)
            if header is not None:
                seed = header.get("seed")
                if not isinstance(seed, dict) or not {"entropy", "spawn_key"} <= set(seed):
                    raise ValueError(
                        f"the checkpoint {self.checkpoint} does not say its seed; give rng=, or "
                        "another folder"
                    )
                sequence = np.random.SeedSequence(seed["entropy"], spawn_key=seed["spawn_key"])
                return np.random.default_rng(sequence)
        return streams(rng, 1)[0]

    def _open(self, probes: int, steps: int) -> None:
        """Open the folder of the state, or find that it belongs to another run."""
        if self.checkpoint is None or self._saved is not None:
            return
        header = {
            "size": self.operator.size,
            "dtype": str(self.operator.dtype),
            "signature": list(self.operator.signature()),
            "probes": probes,
            "steps": steps,
            "together": self._group_size(probes, steps) if self.together is None else self.together,
            "reorthogonalize": self.reorthogonalize,
            "basis": self.basis,
            "adaptive": self.keep,
            "seed": seed_of(self._root),
        }
        if self.together is None:  # free memory may have changed since; the result must not
            found = Checkpoint.header(self.checkpoint)
            if found is not None:
                header["together"] = found.get("together", header["together"])
            self.together = count("together", header["together"])
        tolerance = 2e-5 if self.operator.precision == "float32" else 1e-8
        self._saved = Checkpoint(self.checkpoint, header, tolerance=tolerance)

    def _group_size(self, probes: int, steps: int) -> int:
        """Return how many probes are advanced together, after a look at the memory."""
        parts = 2 if self.operator.is_complex else 1
        size = self.operator.size
        precision = "float32" if self.basis == "float32" else "float64"
        one = basis_bytes(size=size, steps=steps, runs=1, precision=precision, parts=parts)
        vectors = 3 * size * 8 * parts
        free = self.operator.place.free_bytes()
        if free is None:
            free = available_bytes()
        else:
            vectors *= 2  # temporary ones
        if self.basis == "disk":
            one = 0
        chosen = self.together
        if chosen is None:
            chosen = probes
            if free is not None:
                chosen = max(1, min(probes, free // 2 // (one + vectors)))
        chosen = min(chosen, probes)
        alive = probes if self.keep else chosen
        need = alive * one + chosen * vectors
        if free is not None and need > free:
            raise MemoryError(
                f"the basis of {alive} probes at {steps} steps of p = {size} takes "
                f"{need / 2**30:.3g} GiB, {free / 2**30:.3g} GiB are free; give together=1 "
                f"({(one + vectors) / 2**30:.3g} GiB), basis='float32' or basis='disk', or fewer "
                "steps"
            )
        return chosen

    def _begin(
        self, seeds: list[np.random.Generator], steps: int
    ) -> tuple[Lanczos | DeviceLanczos, GroupCheckpoint | None]:
        """Draw a group's probes, or find where it was."""
        number = len(self._states)
        starts = np.stack([_probe(self.operator, one) for one in seeds])
        if not self.operator.place.is_host:
            self._states.append(None)
            return DeviceLanczos(
                self.operator,
                starts,
                reorthogonalize=self.reorthogonalize != "none",
                precision=_kept(self.operator, self.basis),
            ), None
        run = Lanczos(
            self.operator,
            starts,
            reorthogonalize=self.reorthogonalize,
            basis=self._store(number),
        )
        state = None if self._saved is None else GroupCheckpoint(self._saved, number)
        if state is not None:
            state.restore(run, steps, goes_on=self.keep)
        self._states.append(state)
        return run, state

    def _store(self, number: int) -> BasisStore:
        kept = _kept(self.operator, self.basis)
        if self.basis != "disk":
            return MemoryBasis(kept)
        if self._saved is not None:
            folder: Path = self._saved.folder
        else:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        return DiskBasis(folder / f"group-{number:03d}.basis", kept)

    def _run(
        self,
        run: Lanczos | DeviceLanczos,
        state: GroupCheckpoint | None,
        steps: int,
        show: Callable[..., object],
    ) -> None:
        """Take a group's steps; on Ctrl-C say what is kept."""

        def after_step() -> None:
            if state is not None and isinstance(run, Lanczos) and run.previous is not None:
                state.write(run, run.previous)
            show(run.step * run.runs)

        try:
            run.extend(steps, after_step=after_step)
        except KeyboardInterrupt:
            so_far = self.quadratures()
            where = "; `partial` of this error holds the estimate from them"
            if self._saved is not None:
                where = f" and kept in {self._saved.folder}; the same call resumes there"
            raise Interrupted(
                f"interrupted: {so_far.products} products are done{where}",
                so_far if so_far.tridiagonals else None,
            ) from None

    def _elsewhere(self, seeds: list[np.random.Generator], steps: int) -> list[Tridiagonal]:
        """Compute each probe as a task of a sweep."""
        from rmtland.sweep import Grid, run

        task = _ProbeTask(
            self.operator,
            [one.bit_generator.seed_seq for one in seeds],  # type: ignore[misc]
            steps,
            self.reorthogonalize,
            self.basis,
        )
        name = ",".join(f"{value:.6g}" for value in self.operator.signature())
        origin = str(seed_of(self._root))
        grid = Grid(
            {"probe": list(range(len(seeds))), "settings": f"{name} {origin} {self.basis}"},
            seeds=None,
        )
        store = None
        if self.checkpoint is not None:
            store = Path(self.checkpoint) / f"probes-{steps}-{self.reorthogonalize}.db"
        results = run(
            task, grid, store=store, executor=self.executor, threads=None, progress=self.progress
        )
        if results.failures:
            first = results.failures[0]
            raise RuntimeError(
                f"{len(results.failures)} of {len(seeds)} probes failed, the first with "
                f"{first.type}: {first.message}"
            )
        return [
            Tridiagonal(np.asarray(one.value["alpha"]), np.asarray(one.value["beta"]))
            for one in results
        ]


def _probe(operator: SymmetricOperator, generator: np.random.Generator) -> NumpyArray:
    """Draw a probe of the space on which the operator acts."""
    vector = gaussian_probe(generator, operator.size, is_complex=operator.is_complex)
    if operator.complement is not None:
        vector -= operator.complement @ (operator.complement.conj().T @ vector)
    return vector


def _kept(operator: SymmetricOperator, basis: str) -> np.dtype[np.generic]:
    """Return the dtype in which the vectors of a basis are kept."""
    if basis != "float32":
        return operator.work_dtype
    return np.dtype(np.complex64 if operator.is_complex else np.float32)


@dataclass(frozen=True)
class _ProbeTask:
    """One probe as a task of a sweep: returns its Jacobi matrix."""

    operator: SymmetricOperator
    seeds: list[np.random.SeedSequence]
    steps: int
    reorthogonalize: str
    basis: str

    def __call__(self, probe: int, settings: str) -> dict[str, NumpyArray]:
        start = _probe(self.operator, np.random.default_rng(self.seeds[probe]))
        run = Lanczos(
            self.operator,
            start[None],
            reorthogonalize=self.reorthogonalize,
            basis=MemoryBasis(_kept(self.operator, self.basis)),
        )
        run.extend(self.steps)
        found = run.tridiagonals()[0]
        return {"alpha": found.alpha, "beta": found.beta}
