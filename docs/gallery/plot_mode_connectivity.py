"""
Are two minima connected?
=========================

Two networks, trained on the same digits from different starts. The straight path between them has a
barrier; permuting the units of one of them, and turning them over (tanh is odd), takes most of it
away, a trained Bezier curve the rest. Right: the sublevel sets of the plane through three minima,
which fall apart in the plane although the minima are joined outside it.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland.landscape.connectivity import connect, unit_groups
from rmtland.landscape.level_sets import merge_tree
from rmtland.landscape.pictures import draw_components, draw_paths
from rmtland.landscape.slices import plane_slice
from rmtland.landscape.surface import NetworkSurface
from rmtland.networks import MLP, digits, train

data = digits(200, size=4, whiten=True, target="one-hot", rng=0)
net = MLP((16, 10, 10), loss="cross_entropy", weight_decay=1e-3)
surface = NetworkSurface.of(net, data.x, data.y)
minima = np.array(
    [train(net, net.init(rng=seed), data.x, data.y, gradient_norm=1e-6).theta for seed in range(3)]
)
found = connect(
    surface,
    minima[0],
    minima[1],
    groups=unit_groups(net),
    curves=("bezier",),
    curve_steps=600,
    rng=0,
)
for name, one in found.profiles.items():
    print(f"{name}: barrier {one.barrier:.3f}, length {one.length:.1f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
draw_paths(left, found.profiles)
plane = plane_slice(surface, minima[0], minima[1:] - minima[0], extent=(-0.4, 1.4), points=41)
draw_components(right, merge_tree(plane.losses), min_persistence=1e-3)
