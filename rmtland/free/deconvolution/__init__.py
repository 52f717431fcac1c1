"""Undo a free sum or product: exactly, by moments, or of measured spectra."""
