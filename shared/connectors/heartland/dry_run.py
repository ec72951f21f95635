"""Transport for a dry run: sends reads, records writes and answers them with a negative id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from shared.connectors.heartland.client import RequestSender
from shared.connectors.heartland.transport import Answer, Query
from shared.limits.call_context import CallContext

Json = dict[str, Any]


@dataclass
class DryRunTransport:
    """Sends reads through the `real` transport, and records writes in `calls`."""

    real: RequestSender
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
        if method == "GET":  # of a record with a made-up id
            return Answer({"results": [], "pages": 1}, "")
        self.calls.append({"method": method, "path": path.format(*ids), "body": body})
        return DryRunAnswer(None, "", made_up_id=-next(self._ids))


@dataclass(frozen=True, slots=True)
class DryRunAnswer(Answer):
    """The answer to a write that was not sent."""

    made_up_id: int = 0

    @property
    def id(self) -> int | None:
        return self.made_up_id
