"""Operator-valued equations: matrix Dyson equations and free pencils."""
