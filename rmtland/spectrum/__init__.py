"""Spectra that were sampled or measured, and the inertia of a matrix."""

from rmtland.spectrum.measure import Inertia, Spectrum, inertia

__all__ = ["Inertia", "Spectrum", "inertia"]
