"""`python -m services.shopify_writer.preview`: which calls a canonical shipment or link would lead to.

Reads the event's body on standard input, the connection and the entity as its arguments, and prints JSON. The
writer's own code runs on what Shopify and our database hold now: queries are real, every mutation is only noted and
answered with a made-up id, and nothing is stored.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from prometheus_client import CollectorRegistry

from services.shopify_writer.settings import Settings
from shared.canonical.event import read_event
from shared.connectors.clients import open_clients
from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.clients import Shopify
from shared.connectors.shopify.document import Document
from shared.entities.fulfilment.event import FulfilmentEvent
from shared.entities.fulfilment.shopify.documents import CREATE_FULFILMENT, SET_METAFIELDS, UPDATE_TRACKING
from shared.entities.fulfilment.to_shopify.execute import Shipments
from shared.entities.order.event import LinkEvent
from shared.entities.order.to_shopify.link import metafields, set_metafields
from shared.errors import IntegrationError, Rejected
from shared.limits.call_context import REPAIR, CallContext
from shared.runtime.clock import SystemClock
from shared.runtime.metrics import ServiceMetrics
from shared.state.connections import Connections, ConnectionStore
from shared.state.database import Database
from shared.state.dry_ledger import DryLedger

Json = dict[str, Any]
_MADE_UP: Json = {"fulfillment": {"id": "gid://shopify/Fulfillment/0"}, "userErrors": []}
_ANSWERS: dict[str, Json] = {
    CREATE_FULFILMENT.name: {"fulfillmentCreate": _MADE_UP},
    UPDATE_TRACKING.name: {"fulfillmentTrackingInfoUpdate": _MADE_UP},
    SET_METAFIELDS.name: {"metafieldsSet": {"userErrors": []}},
}


@dataclass
class Rehearsal:
    """Stands before the real client: lets queries through, and keeps mutations to itself."""

    real: ShopifyClient
    calls: list[Json] = field(default_factory=list)

    async def execute(self, document: Document, variables: Mapping[str, Any], context: CallContext) -> Json:
        if not document.mutates:
            return await self.real.execute(document, variables, context)
        self.calls.append({"method": "mutation", "path": document.name, "body": dict(variables)})
        return _ANSWERS[document.name]


async def preview(settings: Settings, connection: str, entity: str, body: bytes) -> Json:
    """`verdict` (apply, duplicate, ...), `calls` that would be made, and `problem` where it would not go through."""
    link = read_event(LinkEvent, body, entity) if entity == "link" else None
    shipment = read_event(FulfilmentEvent, body, entity) if link is None else None
    clock = SystemClock()
    metrics = ServiceMetrics("preview", CollectorRegistry())
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(settings.database_url, 2))
        known = Connections(await ConnectionStore(database, settings.secret_key).all())
        clients = await stack.enter_async_context(open_clients(settings, known, metrics=metrics, clock=clock))
        shop = clients.shopify.get(connection)
        rehearsal = Rehearsal(shop.client)
        client = cast("ShopifyClient", rehearsal)
        shipments = Shipments(DryLedger(database, clock), clock, settings.shopify_read_lag_seconds)
        verdict, problem = "apply", ""
        try:
            if link is not None:
                verdict = await _link(link, shop, client)
            if shipment is not None:
                verdict = await _ship(shipment, shop, shipments, client)
        except IntegrationError as error:
            problem = error.reason
        return {"verdict": verdict, "calls": rehearsal.calls, "problem": problem, "at": datetime.now(UTC)}


async def _ship(event: FulfilmentEvent, shop: Shopify, shipments: Shipments, rehearsal: ShopifyClient) -> str:
    location = shop.rules.location_map.get(event.record.location_id, "")
    outcome = (await shipments.carry_out(event, rehearsal, location, REPAIR)).outcome
    return "apply" if outcome == "applied" else outcome


async def _link(event: LinkEvent, shop: Shopify, rehearsal: ShopifyClient) -> str:
    fields = metafields(event.record, shop.rules.metafield_namespace)
    if not fields:
        return "skipped"
    await set_metafields(rehearsal, fields, REPAIR)
    return "apply"


def main() -> int:
    try:
        settings = Settings.from_env(os.environ)
        found = asyncio.run(preview(settings, sys.argv[1], sys.argv[2], sys.stdin.buffer.read()))
    except IntegrationError as error:
        again = ": it would be a dead letter again" if isinstance(error, Rejected) else ""
        print(error.reason + again, file=sys.stderr)  # noqa: T201 -- for whoever asked
        return 1
    sys.stdout.buffer.write(orjson.dumps(found, default=str, option=orjson.OPT_UTC_Z) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
