"""
Which level of theory holds, without the Hessian
=================================================

A network whose Hessian is not formed: the spectra of H and of its parts are estimated from products
with random vectors, and each level of theory is compared with its estimate. Every distance has a
range; a level is refuted where all of it lies above the threshold. Any PyTorch or JAX model goes
through the same door: ``audit_operators(from_torch(model, loss, data))``.
"""

import matplotlib.pyplot as plt

from rmtland.audit import audit_hessian
from rmtland.audit.drawing import draw_densities, draw_misfits
from rmtland.networks import MLP, gaussian

data = gaussian(80, 16, rng=0)
net = MLP((16, 16, 16))
point = net.at(net.init(rng=1), data.x, data.y)
audit = audit_hessian(point, method="estimate", rng=0)
for result in audit.levels:
    low, high = result.kolmogorov_range
    print(f"{result.name}: {low:.3f} to {high:.3f}, {result.standing(audit.threshold)}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
draw_densities(left, audit, bins=30)
left.legend(fontsize=7, frameon=False, ncols=2, loc="upper left", bbox_to_anchor=(-0.2, -0.18))
draw_misfits(right, audit)
