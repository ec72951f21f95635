"""Call context: the records a request is for, so that the breaker can tell a poison record from an outage."""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType

_SUBJECTS: ContextVar[frozenset[str]] = ContextVar("subjects", default=frozenset())


class on_behalf_of:  # noqa: N801 - reads as the statement that it is: `with on_behalf_of(order_id):`
    """Calls made inside, and by tasks started inside, concern these records (aggregates' ids).

    A class, not a generator: it is entered for each event, and a generator context manager costs three times as much.
    """

    __slots__ = ("_ids", "_token")

    def __init__(self, *ids: str) -> None:
        self._ids = frozenset(ids)

    def __enter__(self) -> None:
        self._token: Token[frozenset[str]] = _SUBJECTS.set(self._ids)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _SUBJECTS.reset(self._token)


def subjects() -> frozenset[str]:
    """The records that a call made here concerns; empty where it concerns none in particular."""
    return _SUBJECTS.get()
