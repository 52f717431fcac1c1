r"""The audit of anything that multiplies: levels 0-4 from products alone, at any size.

The Hessian H of any model and loss, its Gauss-Newton part H0 and its residual part H1 = H - H0 are
given as operators (`rmtland.adapters.from_torch`, `from_jax`, SciPy, functions). Their spectra are
estimated from Gaussian probes (`rmtland.estimate.spectral_density`), and every distance to a level
of theory comes with the range that the estimates leave (`rmtland.audit.estimated_audit`). Nothing
of p x p is formed, except where that takes no more products than the estimate.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> j, w = rng.normal(size=(200, 400)) / 20, rng.normal(size=(400, 400)) / 20
>>> h0, h1 = j.T @ j, 0.1 * (w + w.T)
>>> audit = audit_operators(
...     h0 + h1, gauss_newton=h0, phi=2.0, probes=4, steps=40, method="estimate",
...     levels=[Level.MATCHED], rng=0)
>>> audit[Level.MATCHED].kolmogorov < 0.05, str(audit[Level.MATCHED].standing(0.2))
(True, 'holds')
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from rmtland.arguments import callable_or_none, choice, count
from rmtland.audit.cost import check_size
from rmtland.audit.estimated_audit import audit_estimates
from rmtland.audit.findings import HessianAudit
from rmtland.audit.free_levels import ATOMS
from rmtland.audit.level_comparisons import as_laws
from rmtland.audit.levels import Level
from rmtland.audit.measured import MeasuredHessian, Progress, silent
from rmtland.audit.spectra_audit import audit_spectra
from rmtland.estimate import spectral_density, symmetric_operator
from rmtland.estimate.operators import SymmetricOperator
from rmtland.laws import Law
from rmtland.laws.spectral_model import SpectralModel
from rmtland.spectrum import Spectrum
from rmtland.streams import Rng, streams
from rmtland.typing import Array, Operator, Record
from rmtland.version import installed_version

__all__ = ["OperatorParts", "audit_operators", "parts_of"]

METHODS = ("auto", "exact", "estimate")
_PARTS = ("total", "gauss_newton", "residual")


@dataclass(frozen=True, eq=False)
class OperatorParts:
    """The operators of a Hessian and its parts, and what they count.

    Parameters
    ----------
    total, gauss_newton, residual : operator or None
        H, H0 and H1.
    phi : float or None
        Parameters per effective example, p / (m n_out).
    source : str
        In words.
    """

    total: Operator
    gauss_newton: Operator | None
    residual: Operator | None
    phi: float | None
    source: str


def parts_of(operator: Any) -> OperatorParts:
    """Return the parts of the Hessian that an operator of `from_torch` or `from_jax` belongs to.

    Parameters
    ----------
    operator : TorchOperator, JaxOperator, or any with `with_part`
        Of any part. Of other operators the total is all there is.

    Returns
    -------
    OperatorParts
    """
    number = operator.output_count() if hasattr(operator, "with_part") else None
    if number is None:
        return OperatorParts(operator, None, None, None, type(operator).__name__)
    total, gauss_newton, residual = (operator.with_part(name) for name in _PARTS)
    phi = operator.shape[0] / number
    return OperatorParts(total, gauss_newton, residual, phi, repr(total))


def audit_operators(
    total: Operator,
    *,
    gauss_newton: Operator | None = None,
    residual: Operator | None = None,
    phi: float | None = None,
    energy: float | None = None,
    piecewise_linear: bool = False,
    nullity: int | None = None,
    probes: int = 10,
    steps: int = 80,
    confidence: float = 0.95,
    threshold: float = 0.05,
    method: str = "auto",
    atoms: int = ATOMS,
    laws: Mapping[str, Law | SpectralModel] | None = None,
    levels: Collection[Level] | None = None,
    size: int | None = None,
    rng: Rng = None,
    progress: Progress | None = None,
    **options: Any,
) -> HessianAudit:
    """Compare the Hessian of anything that multiplies with levels 0-4 of theory.

    An interrupt (Ctrl-C) after the first levels ends the audit early, with what was done.

    Parameters
    ----------
    total : anything that multiplies
        H: see `rmtland.estimate.symmetric_operator`. Of an operator of `rmtland.adapters` the
        parts and `phi` are found out.
    gauss_newton, residual : anything that multiplies, optional
        H0 and H1; of one the other is the difference to H. Without them levels 1, 3 and 4 do not
        apply.
    phi : float, optional
        Parameters per effective example, p / (m n_out).
    energy : float, optional
        Half the mean square of the derivatives of the loss of a sample by the outputs: for half
        the squared error the loss over the number of outputs. Level 0 needs it.
    piecewise_linear : bool, optional
        Whether to compare with the ReLU block too.
    nullity : int, optional
        Number of zero eigenvalues of H, where it is known.
    probes, steps : int, optional
        Gaussian probes, and Lanczos steps of each, for each of the three operators.
    confidence : float, optional
        Level at which all ranges hold together.
    threshold : float, optional
        Kolmogorov distance above which a level counts as refuted.
    method : {"auto", "exact", "estimate"}, optional
        Whether the matrices are formed and diagonalised; "auto" does where that takes no more
        products than the estimate.
    atoms : int, optional
        Point masses that stand for a measured part, at most: fewer are faster, and make ranges
        wider by about one over their number.
    laws : mapping of str to Law or SpectralModel, optional
        Further laws, by the name that tables show.
    levels : collection of Level, optional
        Levels to compare with; all by default.
    size : int, optional
        Order of the matrices, for functions.
    rng : anything `numpy.random.default_rng` takes
        For the probes.
    progress : callable, optional
        Called as ``progress(what, done, total)``.
    **options
        Of `rmtland.estimate.krylov_quadratures`: together, basis, executor, ...; `checkpoint` is a
        folder with one folder for each operator.

    Returns
    -------
    HessianAudit
        Levels of theory with the ranges of their distances.

    Raises
    ------
    ValueError, TypeError
        For operators that are none, of different sizes, or options out of range.
    MemoryError
        If the basis of the probes does not fit.
    Interrupted
        On Ctrl-C before the first level.

    See Also
    --------
    rmtland.audit.audit_hessian : exact, for networks of rmtland.
    rmtland.comparison.measure : without levels.
    """
    choice("method", method, METHODS)
    count("probes", probes)
    count("steps", steps, min_value=6)
    given = as_laws(laws)
    parts = parts_of(total)
    if gauss_newton is not None or residual is not None or parts.gauss_newton is None:
        parts = OperatorParts(total, gauss_newton, residual, parts.phi, parts.source)
    operators = _symmetric(parts, size)
    order = operators["total"].size
    check_size(order)
    if phi is None:
        phi = parts.phi
    show = callable_or_none("progress", progress) or silent
    provenance = {
        "source": parts.source,
        "parameters": order,
        "phi": phi,
        "energy": energy,
        "seed": rng if isinstance(rng, int) else None if rng is None else repr(rng),
        "rmtland": installed_version(),
    }
    settings: Record = {
        "phi": phi,
        "energy": energy,
        "piecewise_linear": piecewise_linear,
    }
    if method == "exact" or (method == "auto" and order <= probes * steps):
        spectra = _spectra(operators, show, _exact)
        audit = audit_spectra(
            spectra["total"],
            gauss_newton=spectra.get("gauss_newton"),
            residual=spectra.get("residual"),
            **settings,
            laws=laws,
            levels=levels,
            rng=rng,
            progress=progress,
        )
        return replace(audit, provenance=provenance)
    generators = dict(zip(_PARTS, streams(rng, 3), strict=True))
    checkpoint = options.pop("checkpoint", None)

    def estimate(operator: SymmetricOperator, name: str) -> Spectrum:
        folder = None if checkpoint is None else os.path.join(checkpoint, name)
        if progress is not None and options.get("executor") is None:
            operator = _watched(operator, name, probes * steps, progress)
            options["progress"] = False
        return spectral_density(
            operator, probes=probes, steps=steps, rng=generators[name], checkpoint=folder, **options
        )

    spectra = _spectra(operators, show, estimate)
    measured = MeasuredHessian(
        spectra["total"], spectra.get("gauss_newton"), spectra.get("residual"), **settings
    )
    return audit_estimates(
        measured,
        levels=levels,
        laws=given,
        confidence=confidence,
        threshold=threshold,
        nullity=nullity,
        atoms=count("atoms", atoms),
        progress=progress,
        provenance={**provenance, "probes": probes, "steps": steps},
    )


def _symmetric(parts: OperatorParts, size: int | None) -> dict[str, SymmetricOperator]:
    """Return H, H0 and H1 as symmetric operators; a missing part is a difference."""
    found = {
        name: symmetric_operator(operator, size=size)
        for name in _PARTS
        if (operator := getattr(parts, name)) is not None or name == "total"
    }
    sizes = {name: operator.size for name, operator in found.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"H and its parts must be of one size; got {sizes}")
    missing = [name for name in ("gauss_newton", "residual") if name not in found]
    if len(missing) == 1:
        known = next(name for name in ("gauss_newton", "residual") if name in found)
        found[missing[0]] = _difference(found["total"], found[known])
    return found


def _difference(total: SymmetricOperator, part: SymmetricOperator) -> SymmetricOperator:
    coarser = min((total, part), key=lambda one: int(np.finfo(one.dtype).bits))
    return SymmetricOperator(
        partial(_difference_product, total, part),
        total.size,
        coarser.dtype,
        f"{total.source} less {part.source}",
        takes_blocks=True,
    )


def _difference_product(total: SymmetricOperator, part: SymmetricOperator, block: Array) -> Array:
    return total.matmat(block) - part.matmat(block)


def _watched(
    operator: SymmetricOperator, name: str, total: int, progress: Progress
) -> SymmetricOperator:
    """Return an operator that tells how many products are done."""
    before = operator.products

    def product(block: Array) -> Array:
        found = operator.matmat(block)
        progress(_words(name), min(operator.products - before, total), total)
        return found

    return SymmetricOperator(
        product, operator.size, operator.dtype, operator.source, takes_blocks=operator.takes_blocks
    )


def _words(name: str) -> str:
    return f"spectrum, {name.replace('_', '-')}"


def _spectra(
    operators: Mapping[str, SymmetricOperator],
    show: Progress,
    spectrum: Callable[[SymmetricOperator, str], Spectrum],
) -> dict[str, Spectrum]:
    found = {}
    for done, (name, operator) in enumerate(operators.items()):
        show(_words(name), done, len(operators))
        found[name] = spectrum(operator, name)
    return found


def _exact(operator: SymmetricOperator, name: str) -> Spectrum:
    del name
    return Spectrum(np.linalg.eigvalsh(operator.dense()), precision=operator.precision)
