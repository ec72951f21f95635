"""For whose sake a call is made: a record that a vendor cannot stand is to be told from a vendor that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_SUBJECTS: ContextVar[frozenset[str]] = ContextVar("subjects", default=frozenset())


@contextmanager
def on_behalf_of(*ids: str) -> Iterator[None]:
    """Calls made inside, and by tasks started inside, concern these records (aggregates' ids)."""
    before = _SUBJECTS.set(frozenset(ids))
    try:
        yield
    finally:
        _SUBJECTS.reset(before)


def subjects() -> frozenset[str]:
    """The records that a call made here concerns; empty where it concerns none in particular."""
    return _SUBJECTS.get()
