"""Client of the sandbox's demo day: `tillbridge run` starts it over HTTP and polls its progress."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp

_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of the day. `arrived` orders are in Heartland with all their shipments back in Shopify."""

    count: int
    sent: int = 0
    arrived: int = 0
    parcels: int = 0
    problem: str = ""
    over: bool = False

    def headline(self) -> str:
        """The progress in one sentence; empty without orders."""
        if not self.count:
            return ""
        if self.problem:
            return f"the demo orders stopped: {self.problem}"
        if self.over:
            return f"first day done: {self.count} orders in Heartland, {self.parcels} shipments back in Shopify"
        return f"first day: {self.sent} of {self.count} orders sent, {self.arrived} done, {self.parcels} parcels"


class DemoDay:
    """A demo day of `count` orders in the sandbox at `sandbox_url`. `progress` is the last that was read."""

    def __init__(self, sandbox_url: str, count: int) -> None:
        self._url = f"{sandbox_url}/_sandbox/demo/day"
        self.progress = Progress(count, over=count == 0)

    async def follow(self, session: aiohttp.ClientSession) -> None:
        """Start the day and update `progress` until it is over. An error becomes `progress.problem`."""
        try:
            await self._ask(session, "POST", {"orders": self.progress.count})
            while not self.progress.over:
                await asyncio.sleep(_POLL_SECONDS)
                await self._ask(session, "GET")
        except (aiohttp.ClientError, TimeoutError) as error:
            self._fail(str(error) or type(error).__name__)

    async def _ask(self, session: aiohttp.ClientSession, method: str, body: dict[str, int] | None = None) -> None:
        async with session.request(method, self._url, json=body) as response:
            if response.status >= 300:
                self._fail(f"the sandbox answered {response.status}: {await response.text()}")
            else:
                self.progress = Progress(**await response.json())

    def _fail(self, problem: str) -> None:
        self.progress = Progress(self.progress.count, problem=problem, over=True)
