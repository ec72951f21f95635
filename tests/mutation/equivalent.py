"""Mutants that behave as the code does: no test can tell them apart. Each with the reason."""

from __future__ import annotations

EQUIVALENT: dict[str, dict[str, str]] = {}
