"""Noise of SGD: its covariance, what it does near a critical point, and simulations beside.

>>> from rmtland.landscape.noise import GradientNoise
>>> GradientNoise.__name__
'GradientNoise'
"""

from rmtland.landscape.noise.drawing import draw_escape, draw_variances
from rmtland.landscape.noise.escape import EscapeRun, simulate_escape
from rmtland.landscape.noise.gradient_noise import (
    SAMPLINGS,
    Alignment,
    GradientNoise,
    noise_factor,
)
from rmtland.landscape.noise.sample_curvature import SampleCurvature
from rmtland.landscape.noise.second_moments import StationaryCovariance
from rmtland.landscape.noise.simulation import Simulation, chain_gradients, simulate_sgd
from rmtland.landscape.noise.stationary import NoisyDescent
from rmtland.landscape.noise.torch_noise import StreamedAlignment, StreamedNoise

__all__ = [
    "SAMPLINGS",
    "Alignment",
    "EscapeRun",
    "GradientNoise",
    "NoisyDescent",
    "SampleCurvature",
    "Simulation",
    "StationaryCovariance",
    "StreamedAlignment",
    "StreamedNoise",
    "chain_gradients",
    "draw_escape",
    "draw_variances",
    "noise_factor",
    "simulate_escape",
    "simulate_sgd",
]
