"""Equivalent mutants, which behave like the original code, each with the reason; they are not tried."""

from __future__ import annotations

EQUIVALENT: dict[str, dict[str, str]] = {}
