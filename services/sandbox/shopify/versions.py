"""The served API versions, and the version that answers a request for another one."""

from __future__ import annotations

import re
from typing import Final

SUPPORTED: Final = ("2026-07", "2026-10")
OLDEST: Final = SUPPORTED[0]
NEWEST: Final = SUPPORTED[-1]


def served(asked: str) -> str | None:
    """The version that answers: the requested one, the oldest served if it has expired.

    None if it is invalid.
    """
    if asked in SUPPORTED:
        return asked
    if re.fullmatch(r"20\d\d-(01|04|07|10)", asked) and asked < OLDEST:
        return OLDEST
    return None


def shown(version: str) -> str:
    return f"{version} (Latest)" if version == NEWEST else version
