"""Derivatives of a network: forward pass, Hessian blocks, products, Jacobian."""
