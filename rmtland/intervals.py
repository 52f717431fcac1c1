"""How intervals and errors are told: in as many digits as tell ends apart, and an error from 0.

Examples
--------
>>> interval_words(0.2, 0.25), interval_words(0.2001, 0.2002), interval_words(0.2, 0.2)
('0.200 to 0.250', '0.2001 to 0.2002', '0.200')
"""

from __future__ import annotations

__all__ = ["error_words", "interval_words"]


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
        One number where the ends are equal, or differ by rounding (less than 1e-9).

    Examples
    --------
    >>> interval_words(-0.0001, 0.0001)  # not "-0.000 to 0.000"
    '-0.0001 to 0.0001'
    """
    for shown in range(decimals, 11):
        ends = f"{low:.{shown}f}", f"{high:.{shown}f}"
        if high - low >= 1e-9 and float(ends[0]) != float(ends[1]):
            return " to ".join(ends)
    return f"{low:z.{decimals}f}"  # of rounding, not "-0.000"


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
