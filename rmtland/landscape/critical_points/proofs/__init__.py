"""Proofs that a critical point is near, by arithmetic with balls."""
