"""The API versions that are served, and what becomes of a request for another one."""

from __future__ import annotations

import re
from typing import Final

SUPPORTED: Final = ("2026-07", "2026-10")
OLDEST: Final = SUPPORTED[0]
NEWEST: Final = SUPPORTED[-1]


def served(asked: str) -> str | None:
    """The version that answers: the one asked for, the oldest for one that is past; None if it never was one."""
    if asked in SUPPORTED:
        return asked
    if re.fullmatch(r"20\d\d-(01|04|07|10)", asked) and asked < OLDEST:
        return OLDEST
    return None


def shown(version: str) -> str:
    return f"{version} (Latest)" if version == NEWEST else version
