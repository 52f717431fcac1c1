r"""Levels 0-4: laws of free probability that know ratios, traces or spectra of H0 and H1.

With R-transforms of the two parts, H = H0 + H1 has the law of the free sum. H0 is
Marchenko-Pastur of ratio phi or measured, H1 a semicircle, a ReLU block or measured; a measured
part is the law of at most `ATOMS` of its quantiles. The sum of two measured parts is the test of
figure 2 of Pennington and Bahri [1]_.

References
----------
.. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
       theory, ICML 2017, PMLR 70.

Examples
--------
>>> import numpy as np
>>> from rmtland import Spectrum
>>> parts = Spectrum([1.0, 1.0, 2.0, 4.0]), Spectrum([-1.0, 0.0, 0.0, 1.0])
>>> measured = MeasuredHessian(Spectrum([0.0, 1.0, 2.0, 5.0]), *parts, phi=0.5)
>>> theory = FreeTheory(Level.MATCHED, Family.WIGNER)
>>> theory.law(measured).parameters["sigma"]
2.0
>>> FreeTheory(Level.PRINTED, Family.WIGNER).applies(measured)
'it needs the energy'
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmtland.arguments import count
from rmtland.audit.levels import Family, Level, LevelLaw
from rmtland.audit.measured import MeasuredHessian, Progress
from rmtland.comparison import fit
from rmtland.free import free_sum
from rmtland.laws import EmpiricalLaw, Law
from rmtland.models import HessianModel, WishartPlusReluBlock, WishartPlusWigner
from rmtland.spectrum import Spectrum
from rmtland.typing import Real

__all__ = [
    "ATOMS",
    "MODELS",
    "FreeTheory",
    "free_sum_of_parts",
    "free_theories",
    "quantile_law",
    "trace_matched_model",
]

MODELS: dict[Family, type[HessianModel]] = {
    Family.WIGNER: WishartPlusWigner,
    Family.RELU_BLOCK: WishartPlusReluBlock,
}
"""The models of Pennington and Bahri by family."""

ATOMS = 300
"""Point masses that stand for the eigenvalues of a measured part, at most."""

_TO_FIT = 6  # distinct eigenvalues; fewer do not determine three parameters


@dataclass(frozen=True)
class FreeTheory:
    """A level of free probability.

    Parameters
    ----------
    level : Level
        One of 0-4.
    family : Family
        Wigner or ReLU block. Levels that measure H1 have no family of their own and are kept
        under Wigner.
    atoms : int
        Point masses of a measured part, at most.
    """

    level: Level
    family: Family
    atoms: int = ATOMS

    def applies(self, measured: MeasuredHessian) -> str | None:
        """Say what is missing, or None.

        Parameters
        ----------
        measured : MeasuredHessian
            Spectra of H, H0 and H1.

        Returns
        -------
        str or None
        """
        if measured.phi is None and self.level is not Level.MEASURED_PARTS:
            return "it needs the ratio phi of parameters to effective examples"
        if self.level is Level.PRINTED:
            return "it needs the energy" if measured.energy is None else None
        if self.level is Level.FITTED:
            few = np.unique(measured.total.nodes).size < _TO_FIT
            return f"fewer than {_TO_FIT} distinct eigenvalues determine no fit" if few else None
        if measured.gauss_newton is None or measured.residual is None:
            return "it needs the spectra of H0 and H1"
        return None

    def law(self, measured: MeasuredHessian, *, progress: Progress | None = None) -> LevelLaw:
        """Return the law of this level.

        Parameters
        ----------
        measured : MeasuredHessian
            What `applies` has accepted.
        progress : callable, optional
            Not called: these laws are put down at once.

        Returns
        -------
        LevelLaw
        """
        model = MODELS[self.family]
        if self.level is Level.PRINTED:
            assert measured.phi is not None
            assert measured.energy is not None
            return _of_model(model(measured.phi, measured.energy))
        if self.level is Level.FITTED:
            return _of_model(fit(measured.total, model, resamples=0, rng=0).model)
        first, second = measured.gauss_newton, measured.residual
        assert first is not None
        assert second is not None
        vanishes = not second.nodes.any()
        if self.level is Level.MEASURED_PARTS:
            law = free_sum_of_parts(first, None if vanishes else second, atoms=self.atoms)
            return LevelLaw(law, {})
        assert measured.phi is not None
        near = trace_matched_model(model, measured.phi, first, second)
        if self.level is Level.MATCHED:
            return _of_model(near)
        if self.level is Level.MEASURED_GAUSS_NEWTON:
            law = free_sum_of_parts(first, near.residual_law, atoms=self.atoms)
        else:
            law = free_sum_of_parts(
                near.gauss_newton_law, None if vanishes else second, atoms=self.atoms
            )
        return LevelLaw(law, {})


def free_theories(measured: MeasuredHessian, *, atoms: int = ATOMS) -> tuple[FreeTheory, ...]:
    """Return levels 0-4 in the order of the table, for the families that may apply.

    Parameters
    ----------
    measured : MeasuredHessian
        Spectra of H, H0 and H1.
    atoms : int
        Point masses of a measured part, at most.

    Returns
    -------
    tuple of FreeTheory
    """
    families = [Family.WIGNER] + [Family.RELU_BLOCK] * measured.piecewise_linear
    by_family = (Level.PRINTED, Level.MATCHED, Level.FITTED, Level.MEASURED_GAUSS_NEWTON)
    return (
        *(FreeTheory(level, family, atoms) for family in families for level in by_family),
        FreeTheory(Level.MEASURED_RESIDUAL, Family.WIGNER, atoms),
        FreeTheory(Level.MEASURED_PARTS, Family.WIGNER, atoms),
    )


def quantile_law(spectrum: Spectrum | Real, *, atoms: int = ATOMS) -> EmpiricalLaw:
    """Law of at most so many quantiles of a measured spectrum; rounding removed.

    Parameters
    ----------
    spectrum : Spectrum or ndarray, shape (p,)
        Eigenvalues, or nodes with weights.
    atoms : int
        Point masses, at most.

    Returns
    -------
    EmpiricalLaw
    """
    known = spectrum if isinstance(spectrum, Spectrum) else Spectrum(spectrum)
    atoms = count("atoms", atoms)
    nodes, weights = known.measure
    tolerance = nodes.size * np.finfo(np.float64).eps * float(np.abs(nodes).max())
    clean = np.where(np.abs(nodes) <= 10 * tolerance, 0.0, nodes)
    # eigenvalues that are equal up to rounding are one point mass
    starts = np.concatenate(([True], np.diff(clean) > tolerance))
    clean = clean[starts][np.cumsum(starts) - 1]
    if known.is_complete and clean.size <= atoms:
        return EmpiricalLaw(clean)
    levels = (np.arange(atoms) + 0.5) / atoms
    if known.is_complete:
        return EmpiricalLaw(np.quantile(clean, levels, method="inverted_cdf"))
    below = np.cumsum(weights) / weights.sum()
    return EmpiricalLaw(clean[np.minimum(np.searchsorted(below, levels), clean.size - 1)])


def free_sum_of_parts(
    first: Law | Spectrum | Real, second: Law | Spectrum | Real | None, *, atoms: int = ATOMS
) -> Law:
    """Law of H0 + H1 if the two are free; either is a law or measured.

    Parameters
    ----------
    first, second : Law, Spectrum or ndarray of eigenvalues
        The parts; None for a second one leaves the first.
    atoms : int
        Point masses of a measured part, at most.

    Returns
    -------
    Law
    """
    laws = [
        part if isinstance(part, Law) else quantile_law(part, atoms=atoms)
        for part in (first, second)
        if part is not None
    ]
    return free_sum(*laws) if len(laws) > 1 else laws[0]


def trace_matched_model(
    model: type[HessianModel],
    phi: float,
    gauss_newton: Spectrum | Real,
    residual: Spectrum | Real,
) -> HessianModel:
    """Level 1: the traces of H0 and of H1 squared are those of the measured parts.

    Parameters
    ----------
    model : type of HessianModel
        WishartPlusWigner or WishartPlusReluBlock.
    phi : float
        Parameters per effective example.
    gauss_newton, residual : Spectrum or ndarray of eigenvalues
        H0 and H1.

    Returns
    -------
    HessianModel
    """
    first, second = (
        part if isinstance(part, Spectrum) else Spectrum(part) for part in (gauss_newton, residual)
    )
    return model.from_moments(phi, mean=first.mean(), residual_variance=second.moment(2))


def _of_model(model: HessianModel) -> LevelLaw:
    parameters = {"phi": model.phi, "epsilon": model.epsilon, "sigma": model.sigma}
    return LevelLaw(model.law, dict(parameters))
