#!/usr/bin/env python3
r"""The data set of figure 6: proved critical points, and their check in 50 digits.

The searches are those of `rmtland reproduce fig6` at the parameters of --size, kept in a folder
(--folder): an interrupted run resumes, and the figure is drawn from the same results. One row a
search: phi, family, weight decay, number of the seed, status, energy, index, the proved radius and
gap, the size of the weights, and of studied points the law's index and where the branch ends. The
weights are not in the file: `rmtland.reproduction.critical_point_searches.searched` finds them
again from the seed, as --again ROW does for one row.

    python scripts/critical_point_data.py --folder results            writes critical_points.npz
    python scripts/critical_point_data.py --folder results --check 100

`rmtland reproduce fig6 --full --keep` leaves such a folder, rmtland-output/fig6-*.partial. With
--partial nothing is searched: the file has what a run has kept there so far.

With --check N, N random proved points of each phi are refined by Newton's method in 50 digits, in
code of its own (formulas of the gradient written down anew, on matrices of python-flint): it must
end within the proved radius of the stored centre, and the Hessian there, by a formula of its own,
must have as many negative eigenvalues as was proved.
"""

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np

from rmtland.arguments import count
from rmtland.networks import gaussian
from rmtland.reproduction.critical_point_searches import searched
from rmtland.reproduction.critical_points import CriticalPointsFigure
from rmtland.reproduction.figure_sweeps import store_path
from rmtland.spectrum.files import read_arrays, write_arrays
from rmtland.streams import random_generator
from rmtland.sweep import Grid, Serial, run

KIND = "critical points of figure 6"
FAMILIES = ("published", "generic", "symmetric", "minima", "short steps")
STATUSES = ("proved", "critical", "flat", "escaping", "unfinished")
ENDS = ("", "lowest", "fold", "lost")
KEYS = {
    "phi": float,
    "decay": float,
    "family": np.int8,
    "studied": np.int8,
    "seed": np.int32,
    "status": np.int8,
    "law_index": np.float32,
    "branch_end": np.int8,
    "branch_decay": np.float32,
    "branch_energy": np.float32,
}
COLUMNS = {
    "energy": float,
    "index": np.int16,
    "square": np.float32,
    "radius": np.float32,
    "gap": np.float32,
    "norm": np.float32,
    "start_energy": np.float32,
    "steps": np.int16,
    "target": np.float32,
}


def rows_of(figure, folder, *, partial=False):
    """Yield the key and the result of every search, computing what is not there if not partial."""
    kept = figure.kept(folder) if partial else {}
    for name, (task, grid) in figure.sweeps.items():
        if task is not searched:
            continue
        if partial:
            yield from kept[name]
            continue
        path = None if folder is None else store_path(folder, figure.name, name)
        yield from run(task, grid, store=path, executor=Serial(), progress=None)


def arrays_of(results):
    """Return the columns of the data set."""
    found = {name: [] for name in (*KEYS, *COLUMNS)}
    for result in results:
        value, given = result.value, result.parameters
        found["phi"].append(given["phi"])
        found["decay"].append(0.0 if given["family"] == "published" else given["weight_decay"])
        found["family"].append(FAMILIES.index(given["family"]))
        found["studied"].append(given["studied"])
        found["seed"].append(result.key.replicate)
        found["status"].append(STATUSES.index(value["status"]))
        found["law_index"].append(value.get("law_index", np.nan))
        found["branch_end"].append(ENDS.index(value.get("branch_reason", "")))
        for name, column in (("decay", "branch_decays"), ("energy", "branch_energies")):
            found[f"branch_{name}"].append(value[column][-1] if column in value else np.nan)
        for name in COLUMNS:
            found[name].append(value[name])
    kinds = {**KEYS, **COLUMNS}
    return {name: np.array(values, dtype=kinds[name]) for name, values in found.items()}


def digest_of(arrays):
    hashed = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        hashed.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return hashed.hexdigest()


def write(figure, results, path, size, *, partial=False):
    arrays = arrays_of(results)
    proved = arrays["status"] == 0
    header = {
        "command": f"python scripts/critical_point_data.py --size {size} --seed {figure.seed}"
        + " --partial" * partial,
        "root": figure.seed,
        "n": figure.width,
        "families": FAMILIES,
        "statuses": STATUSES,
        "branch_ends": ENDS,
        "digest": digest_of(arrays),
    }
    written = write_arrays(path, header, arrays, kind=KIND)
    for phi in figure.phi:
        counts = [
            f"{int((proved & (arrays['phi'] == phi) & (arrays['family'] == k)).sum())} {family}"
            for k, family in enumerate(FAMILIES)
            if family != "published"
        ]
        print(f"phi = {phi:.4g}: proved {', '.join(counts)}")
    print(f"wrote {written}, {len(proved)} searches, digest {header['digest']}")


def again(path, row):
    """Search once more from the seed of a row; return the parameters, what is stored, and found."""
    header, arrays = read_arrays(path, kind=KIND)
    if digest_of(arrays) != header["digest"]:
        raise ValueError(f"{path} is damaged: its digest is another one")
    if not 0 <= row < len(arrays["phi"]):
        raise ValueError(f"{path} has {len(arrays['phi'])} rows; got {row}")
    stored = {name: values[row] for name, values in arrays.items()}
    family = header["families"][stored["family"]]
    axes = {
        "phi": float(stored["phi"]),
        "n": header["n"],
        "family": family,
        "weight_decay": float(stored["decay"]) or CriticalPointsFigure.weight_decay,
        "studied": bool(stored["studied"]),
    }
    grid = Grid(axes, seeds=int(stored["seed"]) + 1, root=header["root"])
    key = list(grid)[-1]
    return axes, stored, searched(**key.parameters, seed=key.seed)


def print_again(path, row):
    axes, stored, found = again(path, row)
    print(
        f"{axes}: stored energy {stored['energy']:.15g}, index {stored['index']}; found "
        f"{found['status']}, energy {found['energy']:.15g}, index {found['index']}"
    )


def many_digits(x, y, theta, n, decay, digits=50):
    """Return how far Newton's method in many digits ends from `theta`, and the index there."""
    import flint

    before, flint.ctx.prec = flint.ctx.prec, int(3.33 * digits) + 16
    try:
        m, here = len(x), [flint.arb(float(t)) for t in theta]
        inputs, targets = (flint.arb_mat(m, n, a.ravel().tolist()) for a in (x, y))
        inverse = np.linalg.inv(hessian_of(x, y, theta, n, decay))
        distance, last = flint.arb(0), np.inf
        for _ in range(12):
            gradient = exact_gradient(inputs, targets, here, n, m, flint.arb(decay))
            size = max(abs(float(g)) for g in gradient)
            if size < 10.0 ** (5 - digits) or size >= last:
                break
            last = size
            scaled = np.array([float(g / size) for g in gradient])
            moves = (inverse @ scaled).tolist()
            here = [
                flint.arb((t - size * flint.arb(s)).mid()) for t, s in zip(here, moves, strict=True)
            ]
        else:
            return np.inf, -1
        for t, c in zip(here, theta.tolist(), strict=True):
            distance += (t - flint.arb(c)) ** 2
        there = np.array([float(t) for t in here])
        distance = float(distance.sqrt())
    finally:
        flint.ctx.prec = before
    return distance, int(
        np.count_nonzero(np.linalg.eigvalsh(hessian_of(x, y, there, n, decay)) < 0)
    )


def exact_gradient(inputs, targets, theta, n, m, decay):
    """Return the gradient of |W2 tanh(W1 x) - y|^2/(2 m) + (decay/2)|theta|^2."""
    import flint

    first = flint.arb_mat(n, n, theta[: n * n])
    second = flint.arb_mat(n, n, theta[n * n :])
    entries = [z.tanh() for z in (inputs * first.transpose()).entries()]
    hidden = flint.arb_mat(m, n, entries)
    error = hidden * second.transpose() - targets
    back = [b * (1 - h * h) for b, h in zip((error * second).entries(), entries, strict=True)]
    outer = (error.transpose() * hidden).entries()
    inner = (flint.arb_mat(m, n, back).transpose() * inputs).entries()
    return [g / m + decay * t for g, t in zip([*inner, *outer], theta, strict=True)]


def hessian_of(x, y, theta, n, decay):
    """Return the Hessian as sums over samples of outer products, without rmtland's."""
    m = len(x)
    first, second = theta[: n * n].reshape(n, n), theta[n * n :].reshape(n, n)
    h = np.tanh(x @ first.T)
    slope, error = 1.0 - h * h, h @ second.T - y
    jacobian = np.zeros((m, n, 2 * n * n))  # of the outputs
    inner = np.einsum("ij,mj,mk->mijk", second, slope, x)
    jacobian[:, :, : n * n] = inner.reshape(m, n, -1)
    for i in range(n):
        jacobian[:, i, n * n + i * n : n * n + (i + 1) * n] = h
    flat = jacobian.reshape(m * n, -1)
    hessian = flat.T @ flat
    curvature = -2.0 * h * slope * (error @ second)
    for j in range(n):
        rows = slice(j * n, (j + 1) * n)
        hessian[rows, rows] += (x * curvature[:, [j]]).T @ x
        mixed = (error * slope[:, [j]]).T @ x  # (output i, input k)
        for i in range(n):
            place = n * n + i * n + j
            hessian[rows, place] += mixed[i]
            hessian[place, rows] += mixed[i]
    return hessian / m + decay * np.eye(len(theta))


def check(figure, results, many):
    """Check random proved points of each phi in 50 digits; return how many are wrong."""
    wrong = 0
    for phi in figure.phi:
        points = [
            r for r in results if r.parameters["phi"] == phi and r.value["status"] == "proved"
        ]
        order = np.random.default_rng([figure.seed, 1]).permutation(len(points))[:many]
        right, largest = 0, 0.0
        for place in sorted(order.tolist()):
            key, value = points[place].key, points[place].value
            n = points[place].parameters["n"]
            data = gaussian(round(2 * n / phi), n, rng=random_generator(key.seed))
            distance, index = many_digits(
                data.x, data.y, value["theta"], n, points[place].parameters["weight_decay"]
            )
            if distance <= value["radius"] and index == value["index"]:
                right += 1
                largest = max(largest, distance / value["radius"])
            else:
                print(
                    f"WRONG: phi = {phi:.4g}, {key}: {distance:.3g} from the centre, proved within "
                    f"{value['radius']:.3g}; index {index}, proved {value['index']}"
                )
        wrong += len(order) - right
        print(
            f"phi = {phi:.4g}: {right} of {len(order)} proved points right in 50 digits, at most "
            f"{largest:.2f} of the proved radius from the centre",
            flush=True,
        )
    return wrong


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=("quick", "default", "full"), default="default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the results of searches are kept")
    parser.add_argument("--out", type=Path, default=Path("critical_points.npz"))
    parser.add_argument("--check", type=int, default=0, help="points of each phi in 50 digits")
    parser.add_argument("--again", type=int, help="search again from the seed of this row of --out")
    parser.add_argument(
        "--partial", action="store_true", help="only what --folder has; nothing is searched"
    )
    given = parser.parse_args()
    if given.partial and given.folder is None:
        parser.error("--partial is of what a folder has: give --folder")
    try:
        if given.again is not None:
            print_again(given.out, given.again)
            return 0
        count("check", given.check, min_value=0)
        figure = CriticalPointsFigure.of_size(given.size, seed=given.seed)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    if given.folder is not None and not given.partial:
        given.folder.mkdir(parents=True, exist_ok=True)
    try:
        results = list(rows_of(figure, given.folder, partial=given.partial))
    except FileNotFoundError as error:
        parser.error(str(error))
    if given.check:
        return min(check(figure, results, given.check), 1)
    write(figure, results, given.out, given.size, partial=given.partial)
    return 0


if __name__ == "__main__":
    sys.exit(main())
