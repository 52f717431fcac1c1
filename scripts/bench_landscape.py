#!/usr/bin/env python3
"""Slices of a loss surface: rmtland beside its peers, and what batches of points gain.

    python scripts/bench_landscape.py                      both jobs
    python scripts/bench_landscape.py --jobs peers --points 51 --samples 1000

Job "batches": the same grid point by point, by one forward pass for several points, and with the
first layer affine in the plane. Job "peers": a plane of filter-normalised directions of one PyTorch
model, the same number of points on the same data, by rmtland (its own network, and the model
itself), by loss-landscapes, loss-landscape-3d and Landscaper where they are installed; and a plain
loop over the model, which is the least that a peer does. Times are CPU seconds of one thread, the
best of some.
"""

import argparse
import contextlib
import io
import sys
import time

import numpy as np

from rmtland.landscape.slices import plane_slice, random_directions
from rmtland.landscape.surface import NetworkSurface, TorchSurface
from rmtland.networks import MLP, digits


def best(function, repeats):
    """Return the least CPU time of some calls, and the last result."""
    times, result = [], None
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return min(times), result


def batches(arguments):
    for samples in (20, arguments.samples):
        data = digits(samples, target="one-hot", rng=0)
        net = MLP((64, arguments.width, 10), bias=True, loss="cross_entropy")
        surface = NetworkSurface.of(net, data.x, data.y)
        theta = net.init(rng=0)
        rows = random_directions(surface, theta, rng=1).rows
        axis = np.linspace(-1.0, 1.0, arguments.points)
        grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        points = theta + grid @ rows
        alone, expected = best(lambda s=surface, p=points: [s.loss(t) for t in p], 2)
        several, found = best(lambda s=surface, p=points: s.losses(p), arguments.repeats)
        affine, plane = best(
            lambda s=surface, t=theta, r=rows, g=grid: s.plane_losses(t, r, g), arguments.repeats
        )
        off = max(np.abs(found / expected - 1).max(), np.abs(plane / expected - 1).max())
        print(
            f"batches, {samples} samples, {len(grid)} points: one by one {alone:.3f} s, several "
            f"together {several:.3f} s ({alone / several:.2f} times), affine first layer "
            f"{affine:.3f} s ({alone / affine:.2f} times), off by {off:.1e}",
            flush=True,
        )


def peers(arguments):
    try:
        import torch
    except ImportError:
        print("peers left out: torch is not installed")
        return
    torch.manual_seed(0)
    torch.set_num_threads(1)
    data = digits(arguments.samples, target="one-hot", rng=0)
    nn, width, points = torch.nn, arguments.width, arguments.points
    model = nn.Sequential(
        nn.Linear(64, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 10)
    ).double()
    x, labels = torch.from_numpy(np.array(data.x)), torch.from_numpy(data.y.argmax(axis=1))
    loss = nn.CrossEntropyLoss()
    net, theta = MLP.from_torch(model, loss="cross_entropy")
    own = NetworkSurface.of(net, data.x, labels.numpy())
    surface = TorchSurface(model, loss, (x, labels))
    directions = random_directions(own, theta, rng=1)

    def plain_loop():
        values = np.empty((points, points))
        axis = np.linspace(-1.0, 1.0, points)
        with torch.no_grad():
            for i, b in enumerate(axis):
                for j, a in enumerate(axis):
                    at = theta + a * directions.rows[0] + b * directions.rows[1]
                    nn.utils.vector_to_parameters(torch.from_numpy(at), model.parameters())
                    values[i, j] = float(loss(model(x), labels))
            nn.utils.vector_to_parameters(torch.from_numpy(theta), model.parameters())
        return values

    def with_surface(of):
        return lambda: plane_slice(of, theta, directions, points=points).losses

    reference, expected = best(plain_loop, arguments.repeats)
    print(f"peers, {arguments.samples} samples, {points} x {points} points: loop {reference:.3f} s")
    times = {}
    for name, of in (("rmtland", own), ("rmtland, torch", surface)):
        times[name], found = best(with_surface(of), arguments.repeats)
        off = np.abs(found / expected - 1).max()
        print(
            f"  {name:<20} {times[name]:.3f} s, {times[name] / reference:.3f} of the loop, off by "
            f"{off:.1e}",
            flush=True,
        )
    for name, run in _peers(model, loss, x, labels, points, torch):
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                spent, _ = best(run, 1)
        except ImportError as error:
            print(f"  {name:<20} left out: {error}")
            continue
        print(
            f"  {name:<20} {spent:.3f} s; rmtland {times['rmtland'] / spent:.3f} of it, on the "
            f"model itself {times['rmtland, torch'] / spent:.3f}",
            flush=True,
        )


def _peers(model, loss, x, labels, points, torch):
    """Yield the names of other packages, and what makes their slice."""

    def loss_landscapes():
        from loss_landscapes import random_plane
        from loss_landscapes.metrics import Loss

        return random_plane(model, Loss(loss, x, labels), 1, points, "filter", True)

    def loss_landscape_3d():
        from loss_landscape_3d.calculator import LossLandscapeCalculator
        from loss_landscape_3d.directions import generate_random_directions

        axis = np.linspace(-1.0, 1.0, points)
        rows = [generate_random_directions(model) for _ in range(2)]
        rows = [row[0] if isinstance(row, tuple) else row for row in rows]
        calculator = LossLandscapeCalculator(model, [(x, labels)], loss, device="cpu")
        return calculator.calculate(axis, axis, *rows, model.state_dict())

    def landscaper():
        from landscaper.compute import compute_loss_landscape

        rows = [[torch.randn_like(p) for p in model.parameters()] for _ in range(2)]

        def value(at, data):
            return float(loss(at(data[0]), data[1]))

        return compute_loss_landscape(
            model, (x, labels), rows, value, steps=points, distance=0.5, dim=2, device="cpu"
        )

    yield "loss-landscapes", loss_landscapes
    yield "loss-landscape-3d", loss_landscape_3d
    yield "Landscaper", landscaper


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", nargs="+", choices=("batches", "peers"), default=None)
    parser.add_argument("--points", type=int, default=51, help="on each axis")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--width", type=int, default=64, help="units of the hidden layers")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    if min(arguments.points - 1, arguments.samples, arguments.width, arguments.repeats) < 1:
        parser.error("--points must be at least 2, --samples, --width and --repeats positive")
    for job in arguments.jobs or ("batches", "peers"):
        {"batches": batches, "peers": peers}[job](arguments)


if __name__ == "__main__":
    sys.exit(main())
