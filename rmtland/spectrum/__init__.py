"""Spectra that were sampled or measured, and the inertia of a matrix."""

from rmtland.spectrum.inertia import Inertia, inertia
from rmtland.spectrum.measure import Spectrum

__all__ = ["Inertia", "Spectrum", "inertia"]
