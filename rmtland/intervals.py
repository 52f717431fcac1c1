"""How intervals and errors are told: in as many digits as tell ends apart, and an error from 0.

Examples
--------
>>> interval_words(0.2, 0.25), interval_words(0.2001, 0.2002), interval_words(0.2, 0.2)
('0.200 to 0.250', '0.2001 to 0.2002', '0.200')
"""

from __future__ import annotations

__all__ = ["error_words", "interval_ends", "interval_words"]


def interval_ends(
    low: float, high: float, *, decimals: int = 3, signed: bool = False
) -> tuple[str, ...]:
    """Return the ends of an interval in as many decimals as tell them apart.

    Parameters
    ----------
    low, high : float
        Its ends, of order 1 at most.
    decimals : int
        Number of them, or more.
    signed : bool
        Whether positive ends have a sign, too.

    Returns
    -------
    tuple of str
        Two ends; one where they are equal, or differ by rounding (less than 1e-9).

    Examples
    --------
    >>> interval_ends(-0.01, 0.2, signed=True), interval_ends(0.2, 0.2, decimals=1)
    (('-0.010', '+0.200'), ('0.2',))
    """
    sign = "+" if signed else ""
    for shown in range(decimals, 11):
        ends = f"{low:{sign}.{shown}f}", f"{high:{sign}.{shown}f}"
        if high - low >= 1e-9 and float(ends[0]) != float(ends[1]):
            return ends
    return (f"{low:{sign}z.{decimals}f}",)  # of rounding, not "-0.000"


def interval_words(low: float, high: float, *, decimals: int = 3) -> str:
    """Return an interval in as many decimals as tell its ends apart.

    Parameters
    ----------
    low, high : float
        Its ends, of order 1 at most.
    decimals : int
        Number of them, or more.

    Returns
    -------
    str
        One number where `interval_ends` gives one.

    Examples
    --------
    >>> interval_words(-0.0001, 0.0001)  # not "-0.000 to 0.000"
    '-0.0001 to 0.0001'
    """
    return " to ".join(interval_ends(low, high, decimals=decimals))


def error_words(error: float) -> str:
    """Return an error in three decimals, or one digit where it would be told as 0.

    Parameters
    ----------
    error : float
        Half of an interval, or a standard error.

    Returns
    -------
    str
        What stands behind "+-".

    Examples
    --------
    >>> error_words(0.0123), error_words(0.00041), error_words(0.0), error_words(2e-7)
    ('0.012', '0.0004', '0.000', '2e-07')
    """
    return f"{error:.1g}" if 0.0 < abs(error) < 5e-4 else f"{error:.3f}"
