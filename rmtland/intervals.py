"""How intervals are told: in as many digits as tell their ends apart.

Examples
--------
>>> interval_words(0.2, 0.25), interval_words(0.2001, 0.2002), interval_words(0.2, 0.2)
('0.200 to 0.250', '0.2001 to 0.2002', '0.200')
"""

from __future__ import annotations

__all__ = ["interval_words"]


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
    return f"{low:.{decimals}f}"
