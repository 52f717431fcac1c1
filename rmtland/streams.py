"""Random generators and the seeds they are named by.

Independent runs draw from children of one `numpy.random.SeedSequence`, so that a run does not
depend on how many are drawn together. Counter-based generators of a device are keyed by the seed
and the number of the run.

Examples
--------
>>> [int(stream.integers(100)) for stream in streams(0, 2)] == [
...     int(stream.integers(100)) for stream in streams(0, 3)[:2]
... ]
True
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rmtland.typing import Record, Rng

__all__ = ["Rng", "philox_keys", "random_generator", "seed_of", "streams"]


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

    Raises
    ------
    TypeError
        If it is none of what names a stream; a truth value is none.
    ValueError
        If a seed is negative.
    """
    expected = (
        "rng must be a seed (an integer of at least 0, or a sequence of them), a SeedSequence, "
        f"BitGenerator or Generator of NumPy, or None; got {rng!r}"
    )
    if isinstance(rng, bool | np.bool_):
        raise TypeError(expected)
    try:
        return np.random.default_rng(rng)
    except TypeError:
        raise TypeError(expected) from None
    except ValueError:
        raise ValueError(expected) from None


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


def philox_keys(generators: Sequence[np.random.Generator]) -> NDArray[np.uint64]:
    """Return the keys of runs for a counter-based generator: 64 bits of seed, and the run's number.

    Parameters
    ----------
    generators : sequence of numpy.random.Generator
        Children of a seed, as `streams` gives them. Those without a seed sequence are advanced by
        two draws.

    Returns
    -------
    ndarray of uint64, shape (runs, 2)
        Runs of one seed have different keys whatever their number.
    """
    seeds: dict[str, np.uint64] = {}
    keys = np.empty((len(generators), 2), dtype=np.uint64)
    for key, generator in zip(keys, generators, strict=True):
        sequence = generator.bit_generator.seed_seq
        if not isinstance(sequence, np.random.SeedSequence) or not sequence.spawn_key:
            key[:] = generator.integers(2**64, size=2, dtype=np.uint64)
            continue
        *above, number = sequence.spawn_key
        name = f"{sequence.entropy} {above} {sequence.pool_size}"
        if name not in seeds:
            parent = np.random.SeedSequence(
                sequence.entropy, spawn_key=above, pool_size=sequence.pool_size
            )
            seeds[name] = parent.generate_state(1, np.uint64)[0]
        key[:] = seeds[name], number
    return keys


def seed_of(generator: np.random.Generator) -> Record:
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
    seed: Record = {"bit_generator": type(generator.bit_generator).__name__}
    if isinstance(sequence, np.random.SeedSequence):
        entropy = sequence.entropy
        seed["entropy"] = (
            [int(word) for word in entropy]
            if isinstance(entropy, list | tuple | np.ndarray)
            else entropy
        )
        seed["spawn_key"] = [int(word) for word in sequence.spawn_key]
    return seed
