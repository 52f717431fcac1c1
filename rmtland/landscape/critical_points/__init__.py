r"""Critical points of a network's loss: finders, what each point is, proofs, and known answers.

A critical point is a zero of the gradient of the loss; its index is the number of negative
eigenvalues of the Hessian there. Synonyms: stationary points, saddles (index above 0), minima
(index 0); Morse index; Newton-Kantorovich, computer-assisted proof, verified numerics.

>>> from rmtland.landscape.critical_points import find_critical_points, SymmetryType
>>> from rmtland.networks import MLP, gaussian
>>> data, net = gaussian(12, 3, rng=0), MLP((3, 3, 3), weight_decay=1e-2)
>>> found = find_critical_points(net, data.x, data.y, finder=SymmetryType(), starts=3, rng=0)
>>> found
<CriticalPoints: 3 proved>
"""

from rmtland.landscape.critical_points.certificate import Certificate
from rmtland.landscape.critical_points.critical_point import (
    STATUSES,
    CriticalPoint,
    CriticalPoints,
)
from rmtland.landscape.critical_points.decay_branch import DecayBranch, follow_weight_decay
from rmtland.landscape.critical_points.finders import (
    CappedNewton,
    Finder,
    GradientNorm,
    LevenbergMarquardt,
    TrustRegionNewton,
    Walk,
)
from rmtland.landscape.critical_points.flatness import Flatness, flatness
from rmtland.landscape.critical_points.linear_autoencoder import LinearAnswers
from rmtland.landscape.critical_points.null_directions import NullDirections, null_directions
from rmtland.landscape.critical_points.proofs.newton_test import Proof, Unproved, prove
from rmtland.landscape.critical_points.proofs.statement import Problem
from rmtland.landscape.critical_points.search import find_critical_points
from rmtland.landscape.critical_points.starts import trained_start
from rmtland.landscape.critical_points.unit_groups import (
    ReducedSurface,
    SymmetryType,
    random_groups,
)
from rmtland.landscape.surface import NetworkSurface as NetworkSurface, Surface as Surface

__all__ = [
    "STATUSES",
    "CappedNewton",
    "Certificate",
    "CriticalPoint",
    "CriticalPoints",
    "DecayBranch",
    "Finder",
    "Flatness",
    "GradientNorm",
    "LevenbergMarquardt",
    "LinearAnswers",
    "NullDirections",
    "Problem",
    "Proof",
    "ReducedSurface",
    "SymmetryType",
    "TrustRegionNewton",
    "Unproved",
    "Walk",
    "find_critical_points",
    "flatness",
    "follow_weight_decay",
    "null_directions",
    "prove",
    "random_groups",
    "trained_start",
]
