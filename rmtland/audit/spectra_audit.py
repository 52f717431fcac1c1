"""The audit of measured spectra: levels 0-4, which need no network.

Complete spectra are compared exactly; estimates of `rmtland.estimate.spectral_density` with the
range that they leave every distance (`rmtland.audit.estimated_audit`).

Examples
--------
>>> from rmtland import WishartPlusWigner
>>> audit = audit_spectra(WishartPlusWigner(1.0, 0.5).sample(64, rng=0), phi=1.0, energy=0.5)
>>> [result.level.name for result in audit.levels], audit.inapplicable[Level.MATCHED]
(['PRINTED', 'FITTED'], 'it needs the spectra of H0 and H1')
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rmtland.audit.bands import is_estimate
from rmtland.audit.cost import check_size
from rmtland.audit.estimated_audit import audit_estimates
from rmtland.audit.findings import HessianAudit
from rmtland.audit.level_comparisons import LevelComparisons, as_laws
from rmtland.audit.levels import Level
from rmtland.audit.measured import MeasuredHessian, Progress
from rmtland.laws import Law
from rmtland.laws.spectral_model import SpectralModel
from rmtland.spectrum import Spectrum
from rmtland.streams import Rng
from rmtland.version import installed_version

__all__ = ["audit_spectra"]


def audit_spectra(
    total: Spectrum,
    *,
    gauss_newton: Spectrum | None = None,
    residual: Spectrum | None = None,
    phi: float | None = None,
    energy: float | None = None,
    piecewise_linear: bool = False,
    laws: Mapping[str, Law | SpectralModel] | None = None,
    levels: Collection[Level] | None = None,
    rng: Rng = None,
    progress: Progress | None = None,
) -> HessianAudit:
    """Compare measured spectra with the levels of theory that need no network.

    Parameters
    ----------
    total : Spectrum
        Of H: eigenvalues, or an estimate with weights.
    gauss_newton, residual : Spectrum, optional
        Of H0 and H1; without them levels 1, 3 and 4 do not apply.
    phi : float, optional
        Parameters per effective example, p / (m n_out).
    energy : float, optional
        Loss over the number of outputs.
    piecewise_linear : bool
        Whether to compare with the ReLU block too.
    laws, levels, rng, progress
        As in `audit_hessian`; random numbers are for the rotation of the parts.

    Returns
    -------
    HessianAudit
        Levels of theory, and the shares of assumptions in their misfits.

    Raises
    ------
    ValueError
        If a number is out of range, or there are fewer than 8 eigenvalues.
    TypeError
        If a spectrum or a law is none.
    """
    measured = MeasuredHessian(
        total, gauss_newton, residual, phi=phi, energy=energy, piecewise_linear=piecewise_linear
    )
    check_size(measured.size)
    given = as_laws(laws)
    provenance = {
        "source": "spectra",
        "parameters": measured.size,
        "phi": measured.phi,
        "energy": measured.energy,
        "rmtland": installed_version(),
    }
    if is_estimate(total) or (
        total.is_complete and any(is_estimate(part) for part in (gauss_newton, residual))
    ):
        return audit_estimates(
            measured, levels=levels, laws=given, progress=progress, provenance=provenance
        )
    run = LevelComparisons(measured, levels, progress)
    try:
        run.compare_free()
        run.compare_given(given)
        run.rotate(rng)
    except KeyboardInterrupt:
        if not run.results:
            raise
        run.interrupted = run.step
    run.compare_dyson(20, None)  # says why not
    run.compare_conditioned(0, None)  # likewise
    return run.audit(provenance)
