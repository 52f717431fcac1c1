"""How many examples Hypothesis draws: everything else stands in the profiles of conftest.py."""

import os

from hypothesis import settings

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


def examples(number: int) -> settings:
    """Draw so many examples, ten times so many nightly; the profile's 100 without this.

    The number is chosen by what an example costs. A decorator, as `hypothesis.settings`.
    """
    return settings(max_examples=10 * number if NIGHTLY else number)
