"""When a law is checked: once, before its first value is given out, and not within another check.

The cheap check (`rmtland.laws.consistency`) comes first, or a cheaper one of the law's own; the
thorough certificate (`rmtland.laws.certificate`) decides where that finds something. A law that has
passed says so in its dictionary and is not checked again.

Examples
--------
>>> from rmtland.laws import MarchenkoPastur
>>> law = MarchenkoPastur(0.5)
>>> certify_once(law)
>>> passed(law)
True
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from rmtland.laws.certificate import certificate, certify, refusal
from rmtland.laws.consistency import TOLERANCE, defects
from rmtland.laws.law import Law

__all__ = ["certify_once", "mass_accuracy", "passed", "unchecked"]

_PASSED = "_certificate_passed"
_FALL = 1e-6
"""Fall of a distribution function between two points that no finer quadrature makes good."""


class _Trusted(threading.local):
    """Laws that a thread takes for sound for the moment: no other thread sees their values."""

    def __init__(self) -> None:
        self.laws: set[int] = set()


_trusted = _Trusted()


def passed(law: Law) -> bool:
    """Whether a law has passed already, or counts as sound within `unchecked`.

    Parameters
    ----------
    law : Law
        The law.

    Returns
    -------
    bool
        Whether its values need no check.
    """
    return _PASSED in law.__dict__ or id(law) in _trusted.laws


@contextmanager
def unchecked(law: Law) -> Iterator[None]:
    """Values that this thread asks for within the block come without a check of the law.

    For steps towards another law, which is checked.

    Parameters
    ----------
    law : Law
        The law; after the block its next value is preceded by a check as ever.

    Yields
    ------
    None
        Nothing.
    """
    if passed(law):
        yield
        return
    _trusted.laws.add(id(law))
    try:
        yield
    finally:
        _trusted.laws.discard(id(law))


def certify_once(law: Law, quick: Callable[[], bool] | None = None) -> None:
    """Check a law against itself before its first value is given out; later calls do nothing.

    Parameters
    ----------
    law : Law
        The law; what it knows of its own error (`_mass_error`) is allowed for.
    quick : callable, optional
        A cheaper check of the law's own, of transforms too (`transform_failures`); the general one
        follows where it says no.

    Raises
    ------
    ConvergenceError
        If it is not a law, with the numbers.
    """
    if passed(law):
        return
    with unchecked(law):  # what is asked in between is the law's own
        if not (quick is not None and quick()) and defects(law):
            _thoroughly(law, TOLERANCE + law._mass_error + _rounded_mass(law))
    law.__dict__[_PASSED] = True


def mass_accuracy(law: Law) -> float:
    """Return by how much the distribution function of a law may be off.

    Parameters
    ----------
    law : Law
        The law.

    Returns
    -------
    float
        What its certificate allows, and what the law states of itself.
    """
    return TOLERANCE + law._mass_error


def _thoroughly(law: Law, allowed: float) -> None:
    """Ask the thorough certificate, with a finer quadrature where it misses little."""
    found = certificate(law, tolerance=allowed, evaluations=3000, quantiles=False)
    if found.passed:
        return
    if found.defects.get("monotone", 0.0) > _FALL:
        raise refusal(law, found)
    masses = [found.defects.get(name, math.inf) for name in ("mass", "cdf", "cdf inside")]
    fine = 1e-13 if max(masses) < 1e-4 else None  # the estimate of the error may be too small
    certify(law, tolerance=allowed, quantiles=False, quadrature=fine)


def _rounded_mass(law: Law) -> float:
    """Mass so close to edges and singularities that places there are rounding, at most 1e-5."""
    ends = [end for band in law.support for end in band]
    places = np.array([*ends, *law._singular_places])
    places = places[np.isfinite(places)]
    step = 16 * np.maximum(np.spacing(np.abs(places)), np.finfo(float).tiny)
    mass = law._cdf(places + step) - law._mass_below(places - step)
    for place, weight in law.atoms:
        mass = mass - np.where(np.abs(places - place) <= step, weight, 0.0)
    return min(float(np.maximum(mass, 0.0).sum()), 1e-5)
