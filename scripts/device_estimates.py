"""Benchmarks of estimates on a card, for `check_device.py`: Lanczos beside the CPU and peers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CASES: dict[str, Callable[..., dict[str, Any]]] = {}
