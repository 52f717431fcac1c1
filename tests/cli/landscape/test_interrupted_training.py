"""Ctrl-C while a landscape command trains its network: the command ends, and writes nothing."""

import importlib
from dataclasses import replace

import pytest

from rmtland import networks

NETWORK = ("--samples", 20, "--hidden", 2)


@pytest.mark.parametrize(
    ("command", "module"),
    [
        (("sharpness", *NETWORK), "rmtland.networks"),
        (("slice", *NETWORK), "rmtland.networks"),
        (("slice", *NETWORK, "--plane", "trajectory"), "rmtland.networks"),
        (("levels", *NETWORK), "rmtland.networks"),
        (("connect", *NETWORK), "rmtland.networks"),
        (("noise",), "rmtland.networks"),
        (("pac-bayes", *NETWORK), "rmtland.networks"),
        (("manifold", *NETWORK), "rmtland.landscape.manifold.minimisers"),
        (("noise", "--at", "saddle"), "rmtland.landscape.noise.noisy_saddle"),
    ],
)
def test_the_command_ends(rmtland, monkeypatch, command, module):
    """It went on with the network trained by half, and said nothing of it."""
    train = networks.train

    def cut_short(*arguments, **options):
        return replace(train(*arguments, **{**options, "max_steps": 2}), reason="interrupted")

    monkeypatch.setattr(importlib.import_module(module), "train", cut_short)
    result = rmtland("landscape", *command, "--out", ".")
    assert (result.code, result.written) == (130, [])
    assert "interrupted" in result.err
