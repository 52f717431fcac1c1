"""
The loss around a minimum, in two planes
========================================

A small network is trained on digits. Left: two random directions, each filter scaled to the norm
of that filter in the network (Li et al. 2018). Right: the two leading principal directions of the
training trajectory, with the trajectory projected on them and their shares of its variance.
"""

import matplotlib.pyplot as plt
import numpy as np

from rmtland.landscape.pictures import draw_plane
from rmtland.landscape.slices import (
    plane_slice,
    random_directions,
    record_trajectory,
    trajectory_plane,
)
from rmtland.landscape.surface import NetworkSurface
from rmtland.networks import MLP, digits, train

data = digits(200, size=4, whiten=True, target="one-hot", rng=0)
net = MLP((16, 12, 10), loss="cross_entropy", weight_decay=1e-3)
surface = NetworkSurface.of(net, data.x, data.y)
iterates, note = record_trajectory()
result = train(
    net,
    net.init(rng=0),
    data.x,
    data.y,
    method="adam",
    step_size=0.01,
    batch_size=25,
    max_steps=1000,
    check_every=20,
    rng=0,
    callback=note,
)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
random = random_directions(surface, result.theta, rng=1)
draw_plane(left, plane_slice(surface, result.theta, random, extent=0.8, points=31))
path = trajectory_plane(np.array([*iterates, result.theta]))
plane = plane_slice(surface, path.origin, path.directions, extent=path.extent(), points=31)
draw_plane(right, plane, trajectory=path.coordinates)
print(f"distance of the trajectory from the plane: up to {path.distances.max():.2f}")
