r"""Whether minimisers of one kind of network have the published energy (1 - phi)^2/2.

An energy below the published one beyond its interval refutes it; one above does so only beyond what
further steps may gain.

>>> verdict = published_energy_verdict(activation="linear", shape=(6, 6, 6), data_sets=4, steps=300)
>>> verdict.published, verdict.energy > 0.3, verdict.refuted  # least squares has .375
(0.125, True, True)
"""

from __future__ import annotations

from dataclasses import dataclass

from rmtland.models.minimisers import MinimiserEnergy, exponent
from rmtland.reproduction.minimisers_fits import mean_interval
from rmtland.reproduction.minimisers_runs import sample_count, shape_energies

__all__ = ["EnergyVerdict", "published_energy_verdict"]


@dataclass(frozen=True)
class EnergyVerdict:
    """Energy of trained networks beside the published one.

    Parameters
    ----------
    phi : float
        p/(m n2), with m a whole number.
    energy : float
        Mean over data sets, targets of mean square 1.
    error : float
        Half-width of its 95 % interval.
    missing : float
        What the second half of the training steps gained.
    published : float
        (1 - phi)^2/2.
    """

    phi: float
    energy: float
    error: float
    missing: float
    published: float

    @property
    def refuted(self) -> bool:
        """Whether the published energy is outside of what the networks allow."""
        low = self.energy - self.error - self.missing
        return not low <= self.published <= self.energy + self.error

    @property
    def power(self) -> float:
        """ln(2 epsilon)/ln(1 - phi), published 2."""
        return exponent(self.phi, self.energy)


def published_energy_verdict(
    *,
    activation: str = "tanh",
    shape: tuple[int, int, int] = (12, 12, 3),
    phi: float = 0.5,
    data_sets: int = 8,
    steps: int = 2000,
    root: int = 0,
) -> EnergyVerdict:
    """Train networks on noise and compare their energy with (1 - phi)^2/2.

    Parameters
    ----------
    activation : str
        f.
    shape : (int, int, int)
        n0, n1, n2.
    phi : float
        p/(m n2), up to what a whole number of samples allows.
    data_sets : int
        At least 2.
    steps : int
        Of the training, at most.
    root : int
        Of random numbers.

    Returns
    -------
    EnergyVerdict

    Raises
    ------
    ValueError
        For fewer than two data sets, which give no interval.
    """
    if data_sets < 2:
        raise ValueError(f"data_sets must be at least 2, or there is no interval; got {data_sets}")
    found = shape_energies(
        activation, shape=shape, phi=phi, data_sets=data_sets, steps=steps, root=root
    )
    n0, n1, n2 = shape
    true_phi = n1 * (n0 + n2) / (sample_count(phi, n0, n1, n2) * n2)
    mean = mean_interval(found["energies"] / 2)
    return EnergyVerdict(
        true_phi,
        mean.value,
        mean.error,
        float(found["missing"].mean() / 2),
        MinimiserEnergy().energy(true_phi),
    )
