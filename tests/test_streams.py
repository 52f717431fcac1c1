"""Seeds: a run is named by its number and the seed, on a device by 64 bits of it."""

import json

import numpy as np
import pytest
from numpy.random.bit_generator import ISeedSequence

from rmtland import Semicircle
from rmtland.streams import philox_keys, random_generator, seed_of, streams


def test_keys_are_the_seed_and_the_run():
    """No two of 600 000 runs are equal; with 32 bits of seed there were 39 such pairs."""
    keys = philox_keys(streams(1, 3000))
    assert len(set(keys[:, 0].tolist())) == 1
    np.testing.assert_array_equal(keys[:, 1], np.arange(3000))
    seeds = np.array([philox_keys(streams(seed, 1))[0, 0] for seed in range(3000)])
    assert len(set(seeds.tolist())) == 3000
    ones = [int((seeds >> np.uint64(bit) & np.uint64(1)).sum()) for bit in range(64)]
    assert max(abs(number - 1500) for number in ones) < 6 * np.sqrt(3000) / 2


def test_a_run_has_the_same_key_whatever_their_number():
    np.testing.assert_array_equal(philox_keys(streams(5, 4))[:2], philox_keys(streams(5, 2)))
    generator = np.random.default_rng(5)
    parts = [philox_keys(streams(generator, runs)) for runs in (1, 3)]
    np.testing.assert_array_equal(np.concatenate(parts), philox_keys(streams(5, 4)))
    grandchild = np.random.default_rng(np.random.SeedSequence(5).spawn(2)[1])
    assert philox_keys(streams(grandchild, 1))[0, 0] != philox_keys(streams(5, 1))[0, 0]


def test_seeds_that_numpy_tells_apart_have_different_keys():
    seeds = [
        np.random.SeedSequence(5),
        np.random.SeedSequence(5, pool_size=8),
        np.random.SeedSequence(5, spawn_key=(0,)),
        np.random.SeedSequence(5, spawn_key=(0, 0)),
        np.random.SeedSequence([5, 1]),
        np.random.SeedSequence(5 + 2**128),
        6,
        [6, 7],
    ]
    keys = [tuple(philox_keys(streams(seed, 1))[0].tolist()) for seed in seeds]
    draws = {streams(seed, 1)[0].random() for seed in seeds}
    assert len(set(keys)) == len(draws) == len(seeds)


def test_keys_of_generators_without_a_seed_are_drawn():
    generator = np.random.Generator(np.random.PCG64(3))
    first, second = (philox_keys([generator]) for _ in range(2))
    assert (first != second).all()


# Generators and seeds ---------------------------------------------------------------------------


def test_generators_come_from_anything_numpy_takes():
    draws = [
        random_generator(seed).random()
        for seed in (
            7,
            np.int64(7),
            np.random.SeedSequence(7),
            np.random.PCG64(7),
            np.random.default_rng(7),
        )
    ]
    assert len(set(draws)) == 1
    generator = np.random.default_rng(7)
    assert random_generator(generator) is generator


@pytest.mark.parametrize("wrong", [True, np.False_, "seed", 1.5, {}, np.nan, np.array([1.5])])
def test_what_names_no_stream_is_refused(wrong):
    with pytest.raises(TypeError, match=r"rng must be a seed .* or None; got"):
        random_generator(wrong)


@pytest.mark.parametrize("wrong", [-1, [3, -1], ["a", "b"]])
def test_negative_seeds_are_refused(wrong):
    with pytest.raises(ValueError, match=r"rng must be a seed .* at least 0"):
        Semicircle().sample(rng=wrong)


def test_seeds_are_remembered_as_plain_values():
    for seed in (7, [1, 2], np.random.SeedSequence(7).spawn(2)[1], None):
        name = seed_of(random_generator(seed))
        assert json.loads(json.dumps(name)) == name
        again = np.random.SeedSequence(name["entropy"], spawn_key=tuple(name["spawn_key"]))
        generator = random_generator(seed) if seed is not None else None
        if generator is not None:
            assert np.random.default_rng(again).random() == generator.random()
    assert seed_of(np.random.default_rng(7)) == {
        "bit_generator": "PCG64",
        "entropy": 7,
        "spawn_key": [],
    }
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
