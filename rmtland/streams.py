"""Random generators and the seeds they are named by.

Independent runs draw from children of one `numpy.random.SeedSequence`, so that a run does not
depend on how many are drawn together.

Examples
--------
>>> [int(stream.integers(100)) for stream in streams(0, 2)] == [
...     int(stream.integers(100)) for stream in streams(0, 3)[:2]
... ]
True
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rmtland.typing import Rng

__all__ = ["Rng", "WideSeed", "random_generator", "seed_of", "streams", "wide_seed"]


def random_generator(rng: Rng) -> np.random.Generator:
    """Return a NumPy random generator from anything `numpy.random.default_rng` takes.

    Parameters
    ----------
    rng : anything `numpy.random.default_rng` takes
        Seed or generator.

    Returns
    -------
    numpy.random.Generator
        The same one where a generator was given.
    """
    return np.random.default_rng(rng)


def streams(rng: Rng, runs: int) -> list[np.random.Generator]:
    """Return one independent generator a run: children of the seed, spawned in order.

    Run i depends on `rng` and i only, not on `runs`. A Generator is advanced by `runs` children;
    seeds and a SeedSequence are left as they are.

    Parameters
    ----------
    rng : anything `numpy.random.default_rng` takes
        Seed or generator.
    runs : int
        Number of generators.

    Returns
    -------
    list of numpy.random.Generator
    """
    if isinstance(rng, np.random.SeedSequence):
        rng = np.random.SeedSequence(
            rng.entropy,
            spawn_key=rng.spawn_key,
            pool_size=rng.pool_size,
            n_children_spawned=rng.n_children_spawned,
        )
    generator = random_generator(rng)
    if not hasattr(generator.bit_generator.seed_seq, "spawn"):  # a state was set by hand
        words = generator.integers(2**32, size=8, dtype=np.uint32)
        generator = np.random.default_rng(np.random.SeedSequence([int(word) for word in words]))
    return generator.spawn(runs)


class WideSeed(np.random.SeedSequence):
    """A seed of 63 bits for generators that ask for one word of 32.

    CuPy's bit generators take the first word of a sequence as the key of all their draws: with 32
    bits of it two of 600 000 runs are equal almost surely, with 63 they are in 2e-8 of cases.
    """

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
        """Return words of 63 bits whatever width is asked for."""
        return super().generate_state(n_words, np.uint64) >> np.uint64(1)


def wide_seed(generator: np.random.Generator) -> WideSeed:
    """Return a seed that names a run on a device, drawn from the run's generator.

    Parameters
    ----------
    generator : numpy.random.Generator
        It is advanced by two draws.

    Returns
    -------
    WideSeed
    """
    return WideSeed([int(word) for word in generator.integers(2**63, size=2)])


def seed_of(generator: np.random.Generator) -> dict[str, Any]:
    """Return what is needed to name the stream a generator draws from, as JSON-able values.

    Parameters
    ----------
    generator : numpy.random.Generator
        Any generator.

    Returns
    -------
    dict
        Name of the bit generator, entropy and spawn key; without the latter two where the state was
        set by hand.
    """
    sequence = generator.bit_generator.seed_seq
    seed: dict[str, Any] = {"bit_generator": type(generator.bit_generator).__name__}
    if isinstance(sequence, np.random.SeedSequence):
        entropy = sequence.entropy
        seed["entropy"] = (
            [int(word) for word in entropy]
            if isinstance(entropy, list | tuple | np.ndarray)
            else entropy
        )
        seed["spawn_key"] = [int(word) for word in sequence.spawn_key]
    return seed
