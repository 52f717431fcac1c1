r"""
Linearised networks and minimisers
==================================

Left, losses of networks in training beside those of their linearisations, which are known exactly:
wide networks follow them. Middle, the exponents in the width (NTK parametrisation). Right, walks at
zero loss along the manifold of minimisers: the sharpness falls or rises by choice.
"""

import matplotlib.pyplot as plt

from rmtland.landscape.linearisation import draw_descent, draw_scaling, width_scaling
from rmtland.landscape.manifold import draw_walks, interpolate, walk_along
from rmtland.networks import MLP, digits

data = digits(60, size=4, whiten=True, target="one-hot", rng=0)
net = MLP((16, 16, 1), parametrisation="ntk")
found = width_scaling(net, data.x, data.y[:, :1], [32, 128, 512], seeds=2, step=0.2, rng=0)

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11.5, 4.0), layout="constrained")
labels = [f"width {size:.0f}" for size in found.sizes]
draw_descent(left, [row[0] for row in found.runs], labels=labels)
draw_scaling(middle, found, ("movement", "relative movement", "output error", "kernel change"))

wide = MLP((16, 30, 10))
start = interpolate(wide, wide.init(rng=1), data.x[:15], data.y[:15])
draw_walks(right, [walk_along(start, way, steps=15, rng=0) for way in ("flatter", "sharper")])
right.set_xlabel("length of the path")
