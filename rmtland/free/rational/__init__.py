"""Free sums with rational R-transforms: closed equation, edges, boundary values, half-plane."""
