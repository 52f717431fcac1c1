"""Figures of the literature, computed anew: curves, numbers, caption and drawing of each.

>>> from rmtland.reproduction import FIGURES
>>> for name, figure in FIGURES.items():
...     print(f"{name}: {figure.title}")
fig1: Wishart + Wigner densities at three ratios and four energies
fig2: freeness of H0 and H1 on a trained ReLU autoencoder
fig3: H1 of a ReLU network at initialisation against Wigner and the ReLU block
fig4: H0 of a ReLU network at initialisation against Marchenko-Pastur and Dyson
fig5: gap of H0 against 1/phi: Marchenko-Pastur with one fitted scale, and Dyson
index: index against energy with the small-index law, for models and networks
dyson: levels of theory up to the matrix Dyson equation against measured Hessians
limit: two-leg law of H against the Dyson law and networks of growing width
trained: levels of theory against measured Hessians of networks in training
fig6: index against energy at critical points, published and proved
minimisers: energies of minimisers against (1 - phi)^2/2 and against the slope of a single unit
optimizer: methods that measure curvature against tuned ones: convergence, held-out error
"""

from rmtland.reproduction.critical_points import CriticalPointsFigure
from rmtland.reproduction.densities import ModelDensities
from rmtland.reproduction.dyson_levels import DysonLevels
from rmtland.reproduction.figure import SIZES, Content, PublishedFigure, Series, Sweep
from rmtland.reproduction.freeness import FreenessTest
from rmtland.reproduction.gauss_newton_gap import GaussNewtonGap
from rmtland.reproduction.gauss_newton_part import GaussNewtonPart
from rmtland.reproduction.index_energy import IndexAgainstEnergy
from rmtland.reproduction.limit_law import LimitLaw
from rmtland.reproduction.minimisers import MinimisersStudy
from rmtland.reproduction.optimizers import OptimizerStudy
from rmtland.reproduction.residual_part import ResidualPart
from rmtland.reproduction.trained_networks import TrainedNetworks

__all__ = [
    "FIGURES",
    "SIZES",
    "Content",
    "CriticalPointsFigure",
    "DysonLevels",
    "FreenessTest",
    "GaussNewtonGap",
    "GaussNewtonPart",
    "IndexAgainstEnergy",
    "LimitLaw",
    "MinimisersStudy",
    "ModelDensities",
    "OptimizerStudy",
    "PublishedFigure",
    "ResidualPart",
    "Series",
    "Sweep",
    "TrainedNetworks",
]

FIGURES: dict[str, type[PublishedFigure]] = {
    figure.name: figure
    for figure in (
        ModelDensities,
        FreenessTest,
        ResidualPart,
        GaussNewtonPart,
        GaussNewtonGap,
        IndexAgainstEnergy,
        DysonLevels,
        LimitLaw,
        TrainedNetworks,
        CriticalPointsFigure,
        MinimisersStudy,
        OptimizerStudy,
    )
}
"""The figures by name."""
