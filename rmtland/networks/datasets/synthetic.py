r"""Drawn data: memorisation and teacher-student.

`gaussian` is the memorisation task of Pennington & Bahri, ICML 2017: inputs and targets iid
N(0, 1). `teacher_student` has a rule to be learned (Gardner & Derrida 1989; Saad & Solla, PRL 74,
1995): the targets are the outputs of a network, the teacher, plus noise.

>>> data = teacher_student(5, (3, 4, 2), noise=0.1, rng=0)
>>> data.x.shape, data.y.shape, data.target
((5, 3), (5, 2), 'teacher')
"""

from __future__ import annotations

from collections.abc import Sequence

from rmtland.arguments import count, entries, nonnegative
from rmtland.networks.activation import Activation
from rmtland.networks.datasets.dataset import Dataset
from rmtland.networks.mlp import MLP
from rmtland.streams import random_generator
from rmtland.typing import Rng

__all__ = ["gaussian", "teacher_student"]


def gaussian(samples: int, n_in: int, n_out: int | None = None, *, rng: Rng = None) -> Dataset:
    """Return the memorisation task: inputs and targets iid N(0, 1).

    Parameters
    ----------
    samples, n_in : int
        Numbers of samples and inputs.
    n_out : int, optional
        Number of outputs; `n_in` if None.
    rng : optional
        Anything `numpy.random.default_rng` takes; the inputs are drawn first.

    Returns
    -------
    Dataset
        `samples` inputs and their targets.

    Raises
    ------
    ValueError
        If a number is below 1.
    TypeError
        If it is no integer.

    References
    ----------
    .. [1] J. Pennington and Y. Bahri, Geometry of neural network loss surfaces via random matrix
           theory, ICML 2017, PMLR 70.
    """
    samples, n_in = count("samples", samples), count("n_in", n_in)
    n_out = n_in if n_out is None else count("n_out", n_out)
    generator = random_generator(rng)
    x = generator.standard_normal((samples, n_in))
    y = generator.standard_normal((samples, n_out))
    description = f"{samples} samples, inputs and targets iid N(0, 1)"
    return Dataset(x, y, name="gaussian", description=description, target="memorisation")


def teacher_student(
    samples: int,
    widths: Sequence[int],
    *,
    activation: str | Activation = "tanh",
    noise: float = 0.0,
    rng: Rng = None,
) -> Dataset:
    """Return the outputs of a random network on iid N(0, 1) inputs, plus noise.

    Parameters
    ----------
    samples : int
        Number of samples.
    widths : sequence of int
        Of the teacher, whose weights are iid N(0, 1/n_{l-1}); the first and the last are the
        numbers of inputs and outputs.
    activation : str or Activation, optional
        Of the teacher.
    noise : float, optional
        Standard deviation of the normal noise on the targets.
    rng : optional
        Anything `numpy.random.default_rng` takes; draws the teacher, the inputs, the noise.

    Returns
    -------
    Dataset
        `samples` inputs and the noisy outputs of the teacher.

    Raises
    ------
    ValueError
        If `samples` or a width is below 1, there are fewer than two widths, `noise` is below 0, or
        the activation is not known.
    TypeError
        If a number is of another type.
    """
    samples, noise = count("samples", samples), nonnegative("noise", noise)
    teacher = MLP(entries("widths", widths), activation=activation)
    generator = random_generator(rng)
    theta = teacher.init(rng=generator)
    x = generator.standard_normal((samples, teacher.n_in))
    y = teacher.predict(theta, x)
    if noise:
        y = y + noise * generator.standard_normal(y.shape)
    name = getattr(activation, "name", activation)
    shape = "-".join(map(str, teacher.widths))
    description = f"{samples} samples, inputs iid N(0, 1), targets of a {name} network {shape}"
    if noise:
        description += f" plus noise of deviation {noise:g}"
    return Dataset(x, y, "teacher-student", description, "teacher")
