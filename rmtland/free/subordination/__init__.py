"""Free sums and products of any laws by subordination at the real axis."""
