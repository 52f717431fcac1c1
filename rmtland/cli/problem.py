"""Data and networks that a command is asked for by name: digits, random numbers, a file.

>>> problem_data("gaussian", 5, 2, "mse", 0).x.shape, hidden_widths("12,8")
((5, 2), [12, 8])
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rmtland.typing import Array

__all__ = ["DATA", "ProblemData", "hidden_widths", "problem_data"]

DATA = (
    "gaussian (iid memorisation), digits (4x4 autoencoder), digits-labels, digits8 and "
    "digits8-labels (8x8 pixels), or an .npz file with arrays x and y."
)
"""What --data takes."""


def hidden_widths(text: str) -> list[int]:
    """Return the widths of hidden layers from text such as "12,8"."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--hidden takes widths, such as 16 or 12,8; got {text!r}") from None


class ProblemData(NamedTuple):
    """Inputs, targets or labels, and a line on what they are."""

    x: Array
    y: Array
    description: str

    @property
    def outputs(self) -> int:
        """How many outputs a network needs: one a class for labels."""
        return self.y.shape[1] if self.y.ndim == 2 else max(int(self.y.max()) + 1, 1)


def problem_data(
    name: str, samples: int | None, inputs: int | None, loss: str, seed: int
) -> ProblemData:
    """Return data by the name that --data gives, or say what there is."""
    from rmtland.arguments import count
    from rmtland.networks import digits, gaussian

    if loss in ("cross_entropy", "logistic") and name in ("gaussian", "digits", "digits8"):
        raise ValueError(
            f"--loss {loss} needs classes, and the targets of --data {name} are real numbers: take "
            "--data digits-labels or digits8-labels, or --loss mse"
        )
    many = count("samples", 32 if samples is None else samples)
    width = count("inputs", 8 if inputs is None else inputs)
    if name == "gaussian":
        made = gaussian(many, width, rng=seed)
        return ProblemData(made.x, made.y, made.description)
    if name in ("digits", "digits-labels", "digits8", "digits8-labels"):
        target = "one-hot" if name.endswith("-labels") else "autoencoder"
        made = digits(
            many, size=8 if name.startswith("digits8") else 4, whiten=True, target=target, rng=seed
        )
        found = ProblemData(made.x, made.y, made.description)
    elif name.endswith(".npz"):
        found = _from_file(name, loss)
        if samples is not None:
            raise ValueError(f"--samples: {name} is taken whole; leave it out")
    else:
        raise ValueError(
            "--data takes gaussian, digits, digits-labels, digits8, digits8-labels, or an .npz "
            f"file; got {name!r}"
        )
    if inputs is not None:
        raise ValueError("--inputs: of gaussian data only; leave it out")
    return found


def _from_file(name: str, loss: str) -> ProblemData:
    import numpy as np

    try:
        with np.load(name, allow_pickle=False) as arrays:
            if not {"x", "y"} <= set(arrays):
                raise ValueError(f"it must hold arrays x and y; it holds {', '.join(arrays)}")
            x, y = arrays["x"], arrays["y"]
    except FileNotFoundError:
        raise FileNotFoundError(f"{name} is not there") from None
    except Exception as error:  # what np.load raises of damaged files is almost anything
        raise ValueError(f"{name}: {error}") from error
    if x.ndim != 2 or y.ndim not in (1, 2) or len(x) != len(y) or not len(x):
        raise ValueError(
            f"{name}: x must have shape (m, n_in) and y (m, n_out), or (m,) for labels; got "
            f"{x.shape} and {y.shape}"
        )
    if y.ndim == 1 and loss != "cross_entropy":
        y = y[:, None]
    return ProblemData(x, y, f"{Path(name).name}, {len(x)} samples")
