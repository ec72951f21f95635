"""Writes Heartland's ids to Shopify orders as metafields, many orders in one call.

Setting a metafield to the value it already has changes nothing, so the call is idempotent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.canonical.priority import Priority
from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.errors import UserErrors, accepted
from shared.entities.order.link import Link
from shared.entities.order.shopify.documents import SET_METAFIELDS
from shared.limits.call_context import CallContext

# Shopify takes 25 metafields per call; a link has two.
LINKS_PER_CALL = 12


def metafields(link: Link, namespace: str) -> list[dict[str, str]]:
    """The metafields of one linked order; none for other records."""
    if link.entity != "order":
        return []
    owner = f"gid://shopify/Order/{link.shopify_id}"
    values = {"heartland_order_id": link.heartland_id, "heartland_order_number": link.heartland_public_id}
    return [
        {
            "ownerId": owner,
            "namespace": namespace,
            "key": key,
            "type": "single_line_text_field",
            "value": value,
        }
        for key, value in values.items()
        if value
    ]


@dataclass(slots=True)
class _WaitingLink:
    fields: list[dict[str, str]]
    subjects: frozenset[str]
    done: asyncio.Future[None]


class LinkWriter:
    """Batches the links of one shop and priority: those of `wait_seconds` are written in one call."""

    def __init__(self, shopify: ShopifyClient, priority: Priority, wait_seconds: float) -> None:
        self._shopify = shopify
        self._priority: Priority = priority
        self._wait_seconds = wait_seconds
        self._waiting: list[_WaitingLink] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, fields: list[dict[str, str]], subjects: frozenset[str] = frozenset()) -> None:
        """Set these metafields. Returns once they are set.

        Raises UserErrors if Shopify refuses them, and what the client raises.
        """
        entry = _WaitingLink(fields, subjects, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        if len(self._waiting) == 1:
            self._start(self._wait_seconds)
        elif len(self._waiting) >= LINKS_PER_CALL:
            self._start(0)
        await entry.done

    def _start(self, wait: float) -> None:
        task = asyncio.create_task(self._flush(wait))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush(self, wait: float) -> None:
        await asyncio.sleep(wait)
        batch, self._waiting = self._waiting[:LINKS_PER_CALL], self._waiting[LINKS_PER_CALL:]
        if self._waiting:
            self._start(0)
        if batch:
            await self._send(batch)

    async def _send(self, batch: Sequence[_WaitingLink]) -> None:
        try:
            subjects = frozenset[str]().union(*(entry.subjects for entry in batch))
            context = CallContext(self._priority, subjects)
            await set_metafields(self._shopify, [field for entry in batch for field in entry.fields], context)
        except UserErrors as error:
            await self._send_one_by_one(batch, error)
        except BaseException as error:
            _settle(batch, error)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            _settle(batch, None)

    async def _send_one_by_one(self, batch: Sequence[_WaitingLink], error: UserErrors) -> None:
        """The call is atomic: one refused metafield fails them all, so each order is retried by itself."""
        if len(batch) == 1:
            _settle(batch, error)
            return
        for entry in batch:
            await self._send([entry])


async def set_metafields(shopify: ShopifyClient, fields: Sequence[Mapping[str, Any]], context: CallContext) -> None:
    data = await shopify.execute(SET_METAFIELDS, {"metafields": list(fields)}, context)
    accepted("metafieldsSet", data["metafieldsSet"])


def _settle(batch: Sequence[_WaitingLink], error: BaseException | None) -> None:
    for entry in batch:
        if entry.done.done():
            continue
        if error is None:
            entry.done.set_result(None)
        elif isinstance(error, asyncio.CancelledError):
            entry.done.cancel()
        else:
            entry.done.set_exception(error)
