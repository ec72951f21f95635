"""Transport for a dry run: reads are sent, writes are only noted and answered with a made-up id below zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from shared.connectors.heartland.client import Sends
from shared.connectors.heartland.transport import Answer, Query
from shared.limits.call_context import CallContext

Json = dict[str, Any]


@dataclass
class DryRunTransport:
    """Stands before the real transport: lets reads through, and keeps writes to itself."""

    real: Sends
    calls: list[Json] = field(default_factory=list)
    _ids: count[int] = field(default_factory=lambda: count(1))

    @property
    def call_seconds(self) -> float:
        return self.real.call_seconds

    async def send(
        self,
        method: str,
        path: str,
        *ids: int,
        query: Query = (),
        body: Mapping[str, object] | None = None,
        context: CallContext,
    ) -> Answer:
        if method == "GET" and all(number >= 0 for number in ids):
            return await self.real.send(method, path, *ids, query=query, context=context)
        if method == "GET":  # of something that is only made up
            return Answer({"results": [], "pages": 1}, "")
        self.calls.append({"method": method, "path": path.format(*ids), "body": body})
        return MadeUp(None, "", made_up=-next(self._ids))


@dataclass(frozen=True, slots=True)
class MadeUp(Answer):
    """The answer to a write that was not sent."""

    made_up: int = 0

    @property
    def id(self) -> int | None:
        return self.made_up
