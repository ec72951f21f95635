"""Heartland's webhooks: one POST with the bare record per event, retried until accepted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from services.sandbox.heartland.behaviour_flags import BehaviourFlags
from services.sandbox.heartland.decimal_json import dump
from services.sandbox.heartland.table import Row, Table
from services.sandbox.heartland.views import shown
from services.sandbox.world import World

EVENTS: Final = frozenset(
    {"item_created", "item_updated", "customer_created", "customer_updated", "sales_transaction_completed"}
)
MAX_HOLD_SECONDS: Final = 5.0


class Hooks:
    def __init__(self, world: World, flags: Callable[[], BehaviourFlags], registered: Table) -> None:
        self._world = world
        self._switches = flags
        self._registered = registered
        self._held: list[tuple[str, bytes]] = []

    def fire(self, event: str, row: Row) -> None:
        """Sends the record's current state to each URL registered for the event."""
        urls = [hook["url"] for hook in self._registered.rows.values() if event in hook["events"]]
        if not urls:
            return
        body = dump(self._body(event, row))
        for url in urls:
            self._send(event, url, body)

    def _send(self, event: str, url: str, body: bytes) -> None:
        faults = self._world.faults
        if faults.trigger("webhooks", event, ("drop",)):
            return
        reorder = faults.trigger("webhooks", event, ("reorder",))
        if reorder:
            self._held.append((url, body))
            # If no other event follows, it is sent after the maximum delay.
            self._world.spawn(self._release_later(reorder.seconds or MAX_HOLD_SECONDS))
            return
        delay = faults.trigger("webhooks", event, ("delay",))
        copies = 2 if faults.trigger("webhooks", event, ("duplicate",)) else 1
        for _ in range(copies):
            self._world.spawn(self._deliver(url, body, delay.seconds if delay else 0.0))
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for url, body in held:
            self._world.spawn(self._deliver(url, body, 0.05))

    async def _release_later(self, seconds: float) -> None:
        await self._world.clock.sleep(seconds)
        self._release()

    async def _deliver(self, url: str, body: bytes, delay: float) -> None:
        wait = self._switches().hook_retry_seconds
        if delay:
            await self._world.clock.sleep(delay)
        for _ in range(self._switches().hook_attempts):
            if await self._is_accepted(url, body):
                return
            await self._world.clock.sleep(wait)
            wait *= 2

    async def _is_accepted(self, url: str, body: bytes) -> bool:
        timeout = aiohttp.ClientTimeout(total=self._switches().hook_timeout_seconds)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._world.session.post(url, data=body, headers=headers, timeout=timeout) as response:
                return response.status < 300
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return False

    def _body(self, event: str, row: Row) -> Any:
        if event == "sales_transaction_completed":
            return {**row, "completed?": row.get("completed", True), "voided?": row.get("voided", False)}
        if self._switches().camel_case_hooks:
            return camel_body(row)
        return shown(f"{event.partition('_')[0]}s", row)


def camel_body(row: Row) -> Row:
    """The camelCase body of item and customer hooks; `custom` has multi-word keys in both spellings."""
    body = {camel(name): value for name, value in row.items() if name != "custom"}
    custom: Row = row.get("custom") or {}
    return {**body, "custom": {camel(key): value for key, value in custom.items()} | custom}


def camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found.group(1).upper(), name)
