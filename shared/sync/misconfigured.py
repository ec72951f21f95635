"""Misconfigured connections: their records wait and a review is opened; other connections go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import Misconfigured, TargetDown
from shared.state.reviews import Reviews

KIND = "connection_misconfigured"
_ENTITY = "connection"
# Settings are read anew every so often; sooner than this there is nothing to gain by asking again.
_WAIT_SECONDS = 30.0


class ConnectionMisconfigured(TargetDown):
    """This connection's settings, or what they name in Heartland, are wrong or ambiguous.

    Nothing can be written.
    """


@contextmanager
def only_this_connection() -> Iterator[None]:
    """Turns Misconfigured, which would stop the service, into ConnectionMisconfigured.

    Only this connection waits.
    """
    try:
        yield
    except Misconfigured as error:
        raise ConnectionMisconfigured(error.reason, _WAIT_SECONDS) from error


class ConnectionReviews:
    """The review of each connection.

    Opened when its error begins or changes, resolved once a record was written.
    """

    def __init__(self, reviews: Reviews) -> None:
        self._reviews = reviews
        # The reason in the open review, empty for a connection that works; unknown for one not seen since the start.
        self._reasons: dict[str, str] = {}

    async def open(self, connection: str, reason: str) -> None:
        if self._reasons.get(connection) == reason:
            return
        await self._reviews.open(
            connection, KIND, _ENTITY, connection,
            f"Orders of connection {connection} wait: Heartland cannot be written as it is set up", reason, {},
        )  # fmt: skip
        self._reasons[connection] = reason

    async def close(self, connection: str) -> None:
        if self._reasons.get(connection) != "":
            await self._reviews.resolve(connection, _ENTITY, connection, (KIND,))
            self._reasons[connection] = ""
