#!/usr/bin/env python3
"""Where training has ended: residuals conditioned on a minimum, and those of autoencoders.

Ten networks are trained by L-BFGS until the gradient vanishes, and the spectrum of the Hessian is
compared with draws conditioned on the gradient, and on the gradient and on being a minimum. Three
autoencoders at three energies are compared with draws conditioned on the gradient, with residuals
iid or a regression on the inputs, rotated within the spaces that the weights see. The networks and
their seeds were fixed before the first comparison.

    python scripts/reproduce_minima.py              all, three minutes
    python scripts/reproduce_minima.py --quick      one of each, few draws

Writes minima.csv.
"""

import argparse
import csv
import io
from pathlib import Path

import numpy as np

from rmtland.audit.distance import kolmogorov
from rmtland.files import atomic_write
from rmtland.models import ConditionedHessian
from rmtland.networks import MLP, digits, gaussian, teacher_student, train

FIELDS = (
    "network",
    "energy",
    "gradient_norm",
    "on",
    "measured",
    "free_share",
    "kolmogorov",
    "chance",
    "within",
    "index",
    "index_of_law",
)
PLAIN, MINIMUM, ROTATED = ("gradient",), ("gradient", "minimum"), ("gradient", "rotations")


def networks():
    """Yield name, network, inputs and targets."""
    memories = (
        (MLP((8, 10, 8)), 60),
        (MLP((10, 8, 10), activation="gelu"), 80),
        (MLP((9, 9, 6), activation="silu"), 90),
        (MLP((7, 12, 9), activation="softplus"), 60),
        (MLP((12, 10, 6), activation="relu"), 100),
        (MLP((8, 7, 7, 8), bias=True), 60),
        (MLP((9, 10, 7), activation="sigmoid", bias=True, weight_decay=1e-3), 80),
    )
    for seed, (net, samples) in enumerate(memories, start=101):
        data = gaussian(samples, net.n_in, net.n_out, rng=seed)
        shape = "-".join(map(str, net.widths))
        extra = " biases" * net.bias + " decay" * bool(net.weight_decay)
        yield f"memory {net.activation} {shape}{extra}", net, data.x, data.y
    for seed, activation in enumerate(("tanh", "gelu"), start=201):
        widths = (10, 8, 8)
        data = teacher_student(100, widths, activation=activation, noise=0.2, rng=seed)
        yield f"teacher {activation} 10-8-8", MLP(widths, activation=activation), data.x, data.y
    data = digits(120, size=4, whiten=True, target="one-hot", rng=301)
    yield "digits tanh 16-8-10", MLP((16, 8, 10)), data.x, data.y


def autoencoders():
    """Yield name, network and inputs."""
    for seed, (activation, widths, samples) in enumerate(
        (("relu", (10, 6, 10), 60), ("gelu", (14, 8, 14), 80), ("silu", (12, 7, 12), 80)), start=401
    ):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(samples, widths[0])) * np.linspace(1.5, 0.5, widths[0])
        shape = "-".join(map(str, widths))
        yield f"autoencoder {activation} {shape}", MLP(widths, activation=activation), x


def path(net, x, y, steps):
    """Return the points of a training run, their energies first."""
    seen = []
    train(
        net,
        net.init(rng=20),
        x,
        y,
        max_steps=steps,
        gradient_norm=1e-8,
        callback=lambda step, point: seen.append((point.energy, np.array(point.theta))),
    )
    return seen


def rows_of(name, point, conditions, draws):
    """Yield a row for each condition, or print why there is none."""
    measured = np.linalg.eigvalsh(point.hessian("total"))
    zero = 1e-9 * np.abs(measured).max()
    measured = np.where(np.abs(measured) <= zero, 0.0, measured)
    for on in conditions:
        try:
            model = ConditionedHessian(point, on, draws=draws)
            law, chance = model.law, float(model.chance_level.value)
        except (ValueError, ArithmeticError) as error:
            print(f"{name}, {' and '.join(on)}: {error}")
            continue
        distance = kolmogorov(measured, law)
        yield dict(
            zip(
                FIELDS,
                (
                    name,
                    point.energy,
                    float(np.linalg.norm(point.gradient)),
                    " ".join(on),
                    model.measured_numbers,
                    model.free_share,
                    distance,
                    chance,
                    distance <= 1.5 * chance + 0.01,
                    float((measured < 0).mean()),
                    float((model.drawn < -zero).mean()),
                ),
                strict=True,
            )
        )


def write(rows, folder):
    text = io.StringIO()
    table = csv.DictWriter(text, FIELDS, lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({k: f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()})
    with atomic_write(folder / "minima.csv") as stream:
        stream.write(text.getvalue().encode())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one network, one autoencoder")
    parser.add_argument(
        "--draws",
        type=int,
        help="Hessians that a law is pooled from, at least 2; 16, or 4 if quick",
    )
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder")
    arguments = parser.parse_args()
    draws, steps = (4, 300) if arguments.quick else (16, 3000)
    if arguments.draws is not None:
        draws = arguments.draws
    if draws < 2:
        parser.error(f"--draws must be at least 2; got {draws}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []

    def add(name, point, conditions):
        for row in rows_of(name, point, conditions, draws):
            rows.append(row)
            print(
                f"{name:<36} energy {row['energy']:.4f} on {row['on']:<18} distance "
                f"{row['kolmogorov']:.3f} (chance {row['chance']:.3f}) index {row['index']:.3f} "
                f"{row['index_of_law']:.3f}",
                flush=True,
            )
        write(rows, arguments.out)

    for number, (name, net, x, y) in enumerate(networks()):
        if not (arguments.quick and number):
            add(name, net.at(path(net, x, y, steps)[-1][1], x, y), (PLAIN, MINIMUM))
    for number, (name, net, x) in enumerate(autoencoders()):
        if arguments.quick and number:
            continue
        seen = path(net, x, x, steps)
        energies = np.array([energy for energy, _ in seen])
        for fraction in (0.0,) if arguments.quick else (0.5, 0.1, 0.0):
            target = energies[-1] + fraction * (energies[0] - energies[-1])
            theta = seen[int(np.argmin(np.abs(energies - target)))][1]
            add(name, net.at(theta, x, x), (PLAIN, ROTATED))
    for on in (PLAIN, MINIMUM, ROTATED):
        for kind in ("autoencoder", ""):
            these = [
                row
                for row in rows
                if row["on"] == " ".join(on) and row["network"].startswith("auto") == bool(kind)
            ]
            if these:
                off = max(abs(row["index"] - row["index_of_law"]) for row in these)
                print(
                    f"{kind or 'minima'}, on {' and '.join(on)}: within chance at "
                    f"{sum(row['within'] for row in these)} of {len(these)}, "
                    f"index off by {off:.3f} at most"
                )


if __name__ == "__main__":
    main()
