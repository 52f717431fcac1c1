"""Noncommutative polynomials, their linearisation and their laws."""
