"""Seeds: a run is named by its number and the seed, on a device by 63 bits of it."""

import types

import numpy as np

from rmtland.arrays import ArrayLibrary
from rmtland.streams import WideSeed, streams, wide_seed


class Philox4x3210:
    """What CuPy's generator makes of its seed: the key of all its draws is one word."""

    def __init__(self, seed):
        if not isinstance(seed, np.random.SeedSequence):
            seed = np.random.SeedSequence(seed)
        self.key = int(seed.generate_state(1, np.uint32)[0])


def on_a_device(parents):
    random = types.SimpleNamespace(Generator=lambda bits: bits, Philox4x3210=Philox4x3210)
    library = ArrayLibrary(types.SimpleNamespace(random=random), "cupy")
    return [generator.key for generator in library.generators(parents)]


def test_device_keys_have_63_bits():
    """With 32 bits two of 600 000 runs are equal almost surely: there were 39 such pairs."""
    keys = on_a_device(streams(1, 3000))
    assert len(set(keys)) == 3000
    assert np.bitwise_or.reduce(np.array(keys)) == 2**63 - 1
    ones = [sum(key >> bit & 1 for key in keys) for bit in range(63)]
    assert max(abs(number - 1500) for number in ones) < 6 * np.sqrt(3000) / 2


def test_device_keys_of_many_runs_differ():
    """Among 200 000 keys of 32 bits five pairs are equal on average, none with odds of 1 in 100."""
    generator = np.random.default_rng(1)
    keys = {Philox4x3210(wide_seed(generator)).key for _ in range(200_000)}
    assert len(keys) == 200_000


def test_a_run_has_the_same_key_whatever_their_number():
    assert on_a_device(streams(5, 4))[:2] == on_a_device(streams(5, 2))
    assert on_a_device(streams(5, 2)) != on_a_device(streams(6, 2))


def test_a_wide_seed_is_a_seed_sequence():
    assert isinstance(WideSeed(3), np.random.SeedSequence)
    assert WideSeed(3).generate_state(2).dtype == np.uint64
