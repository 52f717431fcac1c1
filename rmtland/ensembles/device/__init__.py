"""Samplers on a CUDA device: counter-based random numbers, Sturm sequences, batched eigenvalues."""
