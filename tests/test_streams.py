"""Seeds: a run is named by its number and the seed, on a device by 63 bits of it."""

import json
import types

import numpy as np
from numpy.random.bit_generator import ISeedSequence

from rmtland.arrays import ArrayLibrary
from rmtland.streams import WideSeed, random_generator, seed_of, streams, wide_seed


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


# Generators and seeds ---------------------------------------------------------------------------


def test_generators_come_from_anything_numpy_takes():
    draws = [
        random_generator(seed).random()
        for seed in (7, np.int64(7), np.random.SeedSequence(7), np.random.PCG64(7),
                     np.random.default_rng(7))
    ]  # fmt: skip
    assert len(set(draws)) == 1
    generator = np.random.default_rng(7)
    assert random_generator(generator) is generator


def test_seeds_are_remembered_as_plain_values():
    for seed in (7, [1, 2], np.random.SeedSequence(7).spawn(2)[1], None):
        name = seed_of(random_generator(seed))
        assert json.loads(json.dumps(name)) == name
        again = np.random.SeedSequence(name["entropy"], spawn_key=tuple(name["spawn_key"]))
        generator = random_generator(seed) if seed is not None else None
        if generator is not None:
            assert np.random.default_rng(again).random() == generator.random()
    assert seed_of(np.random.default_rng(7)) == {
        "bit_generator": "PCG64", "entropy": 7, "spawn_key": []
    }  # fmt: skip
    assert seed_of(np.random.Generator(np.random.MT19937(3)))["bit_generator"] == "MT19937"


def test_streams_are_children_of_the_seed():
    first = [g.random() for g in streams(5, 3)]
    assert [g.random() for g in streams(5, 2)] == first[:2]
    assert len(set(first)) == 3
    assert [g.random() for g in np.random.default_rng(5).spawn(3)] == first
    sequence = np.random.SeedSequence(5)
    for _ in range(2):  # it is left as it is
        assert [g.random() for g in streams(sequence, 3)] == first
    generator = np.random.default_rng(5)
    assert [g.random() for g in streams(generator, 1) + streams(generator, 2)] == first


def test_streams_of_a_generator_whose_state_was_set_by_hand():
    class Seedless(ISeedSequence):
        """A seed that cannot spawn children."""

        def generate_state(self, n_words, dtype=np.uint32):
            return np.arange(n_words, dtype=dtype)

    draws = [
        [g.random() for g in streams(np.random.Generator(np.random.PCG64(Seedless())), 3)]
        for _ in range(2)
    ]
    assert draws[0] == draws[1]
    assert len(set(draws[0])) == 3
