"""Heartland's ids are numbers; the ledger keeps ids as text."""

from __future__ import annotations


def text_id(number: int | None) -> str | None:
    return None if number is None else str(number)
