"""What a spectrum says about step sizes, momentum and convergence of first-order methods."""

from rmtland.optimizer.advice import Advice, Candidate, advise
from rmtland.optimizer.architectures import CompatibilityTable, compatibility_table
from rmtland.optimizer.average_case import AverageCase, average_case_optimal, best_errors, smeared
from rmtland.optimizer.edge_fluctuations import design_margin
from rmtland.optimizer.gradient_measure import GradientMeasure, gradient_measure
from rmtland.optimizer.halting_times import HaltingTime, halting_time
from rmtland.optimizer.isotropic_starts import IsotropicHalting, isotropic_halting_time
from rmtland.optimizer.methods import (
    Chebyshev,
    Coefficients,
    GradientDescent,
    HeavyBall,
    Method,
    Nesterov,
    residual_polynomials,
)
from rmtland.optimizer.preconditioning import (
    DiagonalPreconditioner,
    KroneckerPreconditioner,
    preconditioned,
    preconditioned_law,
)
from rmtland.optimizer.prediction import GradientNoise, Prediction, predict
from rmtland.optimizer.sampled_matrices import sampled_errors
from rmtland.optimizer.spectral_steps import SpectralSteps
from rmtland.optimizer.start_advice import LossCurve, StartAdvice, advise_start
from rmtland.optimizer.start_measure import StartMeasure, start_measure
from rmtland.optimizer.tuning import compatibility, largest_stable_step, tuned

__all__ = [
    "Advice",
    "AverageCase",
    "Candidate",
    "Chebyshev",
    "Coefficients",
    "CompatibilityTable",
    "DiagonalPreconditioner",
    "GradientDescent",
    "GradientMeasure",
    "GradientNoise",
    "HaltingTime",
    "HeavyBall",
    "IsotropicHalting",
    "KroneckerPreconditioner",
    "LossCurve",
    "Method",
    "Nesterov",
    "Prediction",
    "SpectralSteps",
    "StartAdvice",
    "StartMeasure",
    "advise",
    "advise_start",
    "average_case_optimal",
    "best_errors",
    "compatibility",
    "compatibility_table",
    "design_margin",
    "gradient_measure",
    "halting_time",
    "isotropic_halting_time",
    "largest_stable_step",
    "preconditioned",
    "preconditioned_law",
    "predict",
    "residual_polynomials",
    "sampled_errors",
    "smeared",
    "start_measure",
    "tuned",
]
