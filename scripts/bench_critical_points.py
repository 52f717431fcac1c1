"""Yields of the finders of critical points, and a check of proved ones in many digits.

Prints, for tanh networks of n inputs, hidden units and outputs with iid data (phi = 2n/m), how many
points each finder proves in a minute of CPU time (one thread), the energies and indices, and for a
sample of the proved points how far from the centre Newton's method in 50 digits ends, beside the
proved radius. The walk in 50 digits shares no code with the proofs.

    python scripts/bench_critical_points.py
    python scripts/bench_critical_points.py --n 8 --seconds 10 --check 2
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from threadpoolctl import threadpool_limits

from rmtland.landscape.critical_points import (
    CappedNewton,
    CriticalPoint,
    GradientNorm,
    LevenbergMarquardt,
    LinearAnswers,
    SymmetryType,
    find_critical_points,
)
from rmtland.networks import MLP, gaussian

FINDERS = {
    "symmetry": SymmetryType(),
    "newton": CappedNewton(max_steps=400),
    "newton-modes": CappedNewton(per="mode", max_steps=300),
    "lm": LevenbergMarquardt(),
    "gradient-norm": GradientNorm(max_steps=2000),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=16, help="inputs, hidden units and outputs")
    parser.add_argument("--phi", type=float, default=0.5, help="2n/m")
    parser.add_argument("--decay", type=float, default=1e-3, help="weight decay")
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds for each finder")
    parser.add_argument("--finders", default="symmetry,newton", help=", ".join(FINDERS))
    parser.add_argument("--check", type=int, default=5, help="points checked, for each finder")
    parser.add_argument("--digits", type=int, default=50, help="digits of the check")
    parser.add_argument("--linear", type=int, default=0, help="starts on the linear autoencoder")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    threadpool_limits(1)  # a minute of CPU time is one thread's
    net = MLP((given.n, given.n, given.n), weight_decay=given.decay)
    samples = round(2 * given.n / given.phi)
    print(f"{net}, {samples} samples, phi = {given.phi:g}, seed {given.seed}")
    for name in given.finders.split(","):
        run(name, net, samples, given)
    if given.linear:
        linear(given)


def run(name: str, net: MLP, samples: int, given: argparse.Namespace) -> None:
    """Search data set by data set until the time is over."""
    points, owners, start, draw = [], [], time.process_time(), 0
    while time.process_time() - start < given.seconds:
        data = gaussian(samples, net.n_in, rng=[given.seed, draw])
        found = find_critical_points(net, data.x, data.y, finder=FINDERS[name], starts=1, rng=draw)
        points += list(found)
        owners += [data] * len(found)
        draw += 1
    minutes = (time.process_time() - start) / 60.0
    proved = [k for k, point in enumerate(points) if point.status == "proved"]
    print(
        f"{name}: {len(proved)} of {len(points)} proved in {60 * minutes:.1f} CPU s, "
        f"{len(proved) / minutes:.0f} a minute"
    )
    if not proved:
        return
    energies = np.array([points[k].energy for k in proved])
    indices = np.array([points[k].relative_index for k in proved])
    radii = np.array([points[k].proof.radius for k in proved])
    gaps = np.array([points[k].proof.gap for k in proved])
    print(
        f"  energies {energies.min():.3f} to {energies.max():.3f}, indices {indices.min():.3f} to "
        f"{indices.max():.3f}, largest radius {radii.max():.1e}, least gap {gaps.min():.1e}"
    )
    chosen = proved[:: max(1, len(proved) // max(given.check, 1))][: given.check]
    for k in chosen:
        distance, index = check(net, points[k], owners[k], given.digits)
        verdict = distance <= points[k].proof.radius and index == points[k].index
        print(
            f"  point {k}: {given.digits} digits end {distance:.2e} from the centre, proved within "
            f"{points[k].proof.radius:.2e}; index {index}, proved {points[k].index}: "
            f"{'right' if verdict else 'WRONG'}"
        )


def check(net: MLP, point: CriticalPoint, data: object, digits: int) -> tuple[float, int]:
    """Return how far Newton's method in many digits ends from the centre, and the index there."""
    import mpmath as mp

    x, y = data.x, data.y
    hessian = net.at(point.theta, x, y).hessian("total")
    inverse = np.linalg.inv(hessian)
    n, m = net.n_in, len(x)
    with mp.workdps(digits):
        inputs = mp.matrix(x.tolist())
        targets = mp.matrix(y.tolist())
        here = [mp.mpf(t) for t in point.theta.tolist()]
        decay = mp.mpf(net.weight_decay)
        for _ in range(digits):
            first = mp.matrix(n, n)
            second = mp.matrix(n, n)
            for i in range(n):
                for j in range(n):
                    first[i, j], second[i, j] = here[n * i + j], here[n * (n + i) + j]
            hidden = (inputs * first.T).apply(mp.tanh)
            error = hidden * second.T - targets
            back = error * second
            for mu in range(m):
                for j in range(n):
                    back[mu, j] *= 1 - hidden[mu, j] ** 2
            gradients = (back.T * inputs / m, error.T * hidden / m)
            gradient = [
                gradients[layer][i, j] for layer in range(2) for i in range(n) for j in range(n)
            ]
            gradient = [g + decay * t for g, t in zip(gradient, here, strict=True)]
            size = max(abs(g) for g in gradient)
            if size < mp.mpf(10) ** (5 - digits):
                break
            scaled = np.array([float(g / size) for g in gradient])
            here = [t - size * mp.mpf(s) for t, s in zip(here, inverse @ scaled, strict=True)]
        pairs = zip(here, point.theta.tolist(), strict=True)
        distance = mp.sqrt(mp.fsum((t - c) ** 2 for t, c in pairs))
    there = np.array([float(t) for t in here])
    eigenvalues = np.linalg.eigvalsh(net.at(there, x, y).hessian("total"))
    return float(distance), int(np.count_nonzero(eigenvalues < 0.0))


PUBLISHED = {"Newton-MR": 80, "damped Newton": 45, "gradient-norm minimisation": 35}
"""Per cent of walks that end at a critical point of the linear autoencoder (16, 4): Frye, Wadia,
DeWeese and Bouchard, arXiv:1901.10603."""


def linear(given: argparse.Namespace) -> None:
    """Print success rates on the linear autoencoder of 16 inputs and 4 hidden units."""
    rng = np.random.default_rng(given.seed)
    x = rng.standard_normal((256, 16)) * np.linspace(0.5, 2.0, 16)
    answers, net = LinearAnswers.of(x, x, hidden=4), MLP((16, 4, 16), "linear")
    energies, sets = answers.energies, answers.sets()
    print(f"linear autoencoder, 16-4-16, {len(sets)} critical values")
    for name, finder in FINDERS.items():
        if name == "symmetry":
            continue
        start = time.process_time()
        found = find_critical_points(
            net, x, x, finder=finder, starts=given.linear, prove=False, rng=given.seed
        )
        right = 0
        for point in found.of_status("critical"):
            near = int(np.argmin(np.abs(energies - point.energy)))
            same = abs(energies[near] - point.energy) < 1e-8
            right += same and point.index == answers.index(sets[near])
        print(
            f"  {name}: {right} of {given.linear} ({100 * right / given.linear:.0f} %) with energy "
            f"and index of a critical point, {time.process_time() - start:.0f} CPU s; {found}",
            flush=True,
        )
    print("  published: " + ", ".join(f"{name} {rate} %" for name, rate in PUBLISHED.items()))


if __name__ == "__main__":
    main()
