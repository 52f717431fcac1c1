r"""Whether a loss is the mean or the sum over samples, by trial on two parts of a batch.

With l the loss of m samples, a that of the first k of them and b that of the others,

.. math:: l = \frac{k a + (m - k) b}{m} \quad\text{(mean)}, \qquad l = a + b \quad\text{(sum)} .

A mean over labels that are not ignored, or weighted by class, is neither; it may look like the mean
over samples in one batch, so that every batch is tried, alone and together with the first one (as
its two parts): what batches weigh beside each other, one of a single sample too. A loss that is 0
is both, and does not tell.

>>> LossParts(3, 1, 2.0, 4.0, 1.0).reduction("or say which")
'mean'
>>> other = LossParts(3, 1, 2.0, 4.0, 0.5)
>>> other.is_the("mean"), str(other)
(False, '2 of 3, 4 and 0.5 of its parts')
>>> LossParts(3, 1, 0.0, 0.0, 0.0).tells
False
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LossParts", "first_part"]


def first_part(samples: int) -> int:
    """Return how many of some samples are the first part.

    Parameters
    ----------
    samples : int
        2 or more.

    Returns
    -------
    int
        About a third, so that a mean is told from a sum.
    """
    return (samples + 2) // 3


@dataclass(frozen=True)
class LossParts:
    """The loss of a batch and those of its two parts.

    Parameters
    ----------
    samples : int
        The number m of samples.
    first : int
        The number k of samples in the first part.
    whole, of_first, of_others : float
        The losses.
    rounding : float, optional
        Relative difference that is rounding.
    """

    samples: int
    first: int
    whole: float
    of_first: float
    of_others: float
    rounding: float = 1e-9

    def is_the(self, reduction: str) -> bool:
        """Return whether the loss is the mean, or the sum, of the losses of the parts.

        Parameters
        ----------
        reduction : {"mean", "sum"}
            Which one.

        Returns
        -------
        bool
        """
        share = self.first / self.samples
        weights = (share, 1 - share) if reduction == "mean" else (1.0, 1.0)
        scale = max(abs(self.whole), abs(self.of_first), abs(self.of_others))
        off = abs(self.whole - weights[0] * self.of_first - weights[1] * self.of_others)
        return off <= self.rounding * scale

    @property
    def tells(self) -> bool:
        """Whether it is one of the two and not the other, as where losses are 0."""
        return self.is_the("mean") != self.is_the("sum")

    def reduction(self, remedy: str) -> str:
        """Return which one it is in the first batch.

        Parameters
        ----------
        remedy : str
            What to do otherwise.

        Returns
        -------
        {"mean", "sum"}

        Raises
        ------
        ValueError
            If it is neither.
        """
        for reduction in ("mean", "sum"):
            if self.is_the(reduction):
                return reduction
        raise ValueError(
            "the loss of the first batch is neither the mean nor the sum over its samples "
            f"({self}); {remedy}"
        )

    def refuse_other(self, reduction: str, which: str, remedy: str) -> None:
        """Refuse a later batch in which it is another one.

        Parameters
        ----------
        reduction : {"mean", "sum"}
            What it is in the first batch.
        which : str
            Which batch.
        remedy : str
            What to do.

        Raises
        ------
        ValueError
            If it is another one.
        """
        if not self.is_the(reduction):
            raise ValueError(
                f"the loss is the {reduction} over the samples of the first batch, but not of "
                f"{which} ({self}): labels that are ignored, or weights? {remedy}"
            )

    @staticmethod
    def refuse_untold(told: bool, remedy: str) -> None:
        """Refuse a loss of which no batch tells what it is.

        Parameters
        ----------
        told : bool
            Whether one did.
        remedy : str
            What to do.

        Raises
        ------
        ValueError
            If none did.
        """
        if not told:
            raise ValueError(
                "whether the loss is a mean or a sum cannot be found out: it is 0 in every batch; "
                + remedy
            )

    def __str__(self) -> str:
        return (
            f"{self.whole:.6g} of {self.samples}, {self.of_first:.6g} and {self.of_others:.6g} of "
            "its parts"
        )
