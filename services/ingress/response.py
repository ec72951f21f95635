"""The response to an accepted webhook, built once a second."""

from __future__ import annotations

from email.utils import format_datetime

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from shared.runtime.clock import Clock


class AcceptedResponse(web.Response):
    """200 with an empty body, on a keep-alive connection.

    One object is the response to every request; its bytes are built again once a second, for the Date header. Building
    the headers for each response would take as long as verifying a signature.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._until = 0.0
        self._bytes = b""

    @property
    def keep_alive(self) -> bool | None:
        return True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if request.transport is not None:
            request.transport.write(self._response())
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing to do: `prepare` has written the whole response."""

    def _response(self) -> bytes:
        now = self._clock.monotonic()
        if now >= self._until:
            date = format_datetime(self._clock.now(), usegmt=True)
            self._bytes = f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: {date}\r\n\r\n".encode()
            self._until = now + 1.0
        return self._bytes
