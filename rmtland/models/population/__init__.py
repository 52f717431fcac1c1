"""Hessians of one hidden layer in the limit of many units and Gaussian samples."""

from rmtland.models.population.population_hessian import PopulationHessian

__all__ = ["PopulationHessian"]
