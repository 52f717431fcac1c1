#!/usr/bin/env python3
"""A deep network with and without skip connections: the loss around where training ends.

The picture of Li et al. (NeurIPS 2018) that lectures show, for fully connected networks on digits:
two ReLU networks of the same depth and width, one plain, one of residual blocks
h + W2 relu(W1 h) / sqrt(blocks), trained alike by Adam from the same kind of start; the loss in a
plane of two filter-normalised random directions, each on a logarithmic scale of its own, and the
largest and least eigenvalue of the Hessian in the centre. Plain networks of that depth may not
train at all (that is part of the picture): the loss at the centre is printed. Needs PyTorch.

    python scripts/reproduce_deep_slices.py             56 layers, 51 x 51 points, six minutes
    python scripts/reproduce_deep_slices.py --quick     20 layers, 11 x 11 points

Writes deep_slices.png.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rmtland.adapters.optional import optional
from rmtland.cli.output import write_figure
from rmtland.estimate import extremal_eigenpairs
from rmtland.landscape.level_sets import merge_tree
from rmtland.landscape.pictures import draw_plane
from rmtland.landscape.slices import plane_slice, random_directions
from rmtland.landscape.surface import TorchSurface
from rmtland.networks import digits


def network(torch, depth, width, outputs, residual):
    """Return a network of `depth` weight layers between inputs and outputs."""
    nn = torch.nn
    blocks = (depth - 2) // 2

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

        def forward(self, h):
            inner = self.second(torch.relu(self.first(h)))
            return h + inner / blocks**0.5 if residual else torch.relu(inner)

    layers = [nn.Linear(64, width), nn.ReLU(), *(Block() for _ in range(blocks))]
    model = nn.Sequential(*layers, nn.Linear(width, outputs))
    for name, parameter in model.named_parameters():
        if name.endswith("weight"):
            nn.init.kaiming_normal_(parameter, nonlinearity="relu")
        else:
            nn.init.zeros_(parameter)
    return model


def train(torch, model, x, labels, steps, step_size):
    """Take steps of Adam on the whole data; return the model where its loss was least."""
    loss = torch.nn.CrossEntropyLoss()
    rule = torch.optim.Adam(model.parameters(), lr=step_size)
    least, best = np.inf, None
    for _ in range(steps):
        rule.zero_grad()
        value = loss(model(x), labels)
        if float(value.detach()) < least:
            least = float(value.detach())
            best = {name: v.detach().clone() for name, v in model.state_dict().items()}
        value.backward()
        rule.step()
    model.load_state_dict(best)
    return model.eval()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="20 layers, few points and steps")
    parser.add_argument("--depth", type=int, help="weight layers, even, at least 4")
    parser.add_argument("--width", type=int, help="units of each; 32, or 16 if quick")
    parser.add_argument("--points", type=int, help="on each axis; 51, or 11 if quick")
    parser.add_argument("--steps", type=int, help="of Adam; 600, or 40 if quick")
    parser.add_argument("--extent", type=float, default=1.0, help="half the width of the plane")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder")
    arguments = parser.parse_args()
    quick = arguments.quick
    depth = arguments.depth or (20 if quick else 56)
    width = arguments.width or (16 if quick else 32)
    points = arguments.points or (11 if quick else 51)
    steps = arguments.steps or (40 if quick else 600)
    if depth < 4 or depth % 2:
        parser.error(f"--depth must be even and at least 4; got {depth}")
    if min(width, points - 1, steps) < 1 or not arguments.extent > 0:
        parser.error("--width, --steps and --extent must be positive, --points at least 2")
    torch = optional("torch", extra="torch")
    data = digits(100 if quick else 500, target="one-hot", rng=0)
    x = torch.from_numpy(data.x.astype(np.float32))
    labels = torch.from_numpy(data.y.argmax(axis=1))
    planes = {}
    for kind in ("plain", "residual"):
        torch.manual_seed(0)
        model = train(
            torch, network(torch, depth, width, 10, kind == "residual"), x, labels, steps, 1e-3
        )
        surface = TorchSurface(model, torch.nn.CrossEntropyLoss(), (x, labels))
        theta = surface.parameters()
        plane = plane_slice(
            surface,
            theta,
            random_directions(surface, theta, rng=1),
            extent=arguments.extent,
            points=points,
        )
        ends = extremal_eigenpairs(surface.operator(theta), 1, tol=1e-2, rng=0).values
        tree = merge_tree(plane.losses)
        height = 0.01 * float(np.ptp(plane.losses))
        planes[kind] = plane, surface.loss(theta), ends
        print(
            f"{kind:<9} {depth} layers, {surface.size} parameters: loss {surface.loss(theta):.4f}, "
            f"in the plane {plane.losses.min():.4f} to {plane.losses.max():.4g}; eigenvalues "
            f"{ends[0]:.3g} to {ends[-1]:.3g}; {len(tree.persistent(height))} basins with a "
            "barrier of a hundredth of the range",
            flush=True,
        )
    figure = Figure(figsize=(11.5, 4.8), layout="constrained")
    for ax, (kind, (plane, loss, ends)) in zip(figure.subplots(1, 2), planes.items(), strict=True):
        draw_plane(ax, plane)
        ax.locator_params(nbins=5)
        ax.set_title(
            f"{kind}, {depth} layers: loss {loss:.3g}, eigenvalues {ends[0]:.2g} to {ends[-1]:.2g}",
            fontsize=9,
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = write_figure(figure, arguments.out, "deep_slices", format="png", dpi=110)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
