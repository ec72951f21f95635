"""Compares tenders: a payment method of the shop that Heartland lacks is sent through the pipeline again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from shared.entities.order.heartland.payment_types import read_payment_types
from shared.limits.call_context import REPAIR
from shared.state.drift import Drift, Finding
from shared.sync.comparison import Entity, ReadResult, Slice, Tools, Vendors
from shared.sync.repair_notice import RepairNotice, repair_event
from tests.support.tender.record import Tender, hash_of
from tests.support.tender.spec import RAW_SHOPIFY_TENDER

# The shop's payment methods, set by a test, since the sandbox has none.
IN_THE_SHOP: dict[str, Tender] = {}


@dataclass(frozen=True)
class Snapshot:
    """One tender, and whether Heartland has its payment type."""

    connection: str
    tender: Tender
    is_there: bool
    is_quiet: bool = True

    @property
    def key(self) -> str:
        return self.tender.id

    @property
    def content_hash(self) -> str:
        return hash_of(self.tender)

    @property
    def stamps(self) -> tuple[datetime, datetime | None]:
        return self.tender.updated_at, None


class Tenders:
    """The tenders of one connection."""

    def __init__(self, name: str, vendors: Vendors, tools: Tools) -> None:
        self._name, self._vendors = name, vendors

    async def since(self, moment: datetime, *, everything: bool = False) -> list[str]:
        return [one.id for one in IN_THE_SHOP.values() if one.updated_at >= moment]

    async def slice(self, start: datetime, end: datetime, size: int) -> Slice:
        return Slice(await self.since(start), None)

    async def read(self, keys: Sequence[str], now: datetime) -> ReadResult[Snapshot]:
        there = {one.name for one in await read_payment_types(self._vendors.heartland.client, REPAIR)}
        found = [IN_THE_SHOP[key] for key in keys]
        return ReadResult([Snapshot(self._name, one, one.name in there) for one in found], {})


def compare(seen: Snapshot) -> Iterator[Finding]:
    if not seen.is_there:
        reason = f"payment method {seen.tender.name} is no payment type in Heartland"
        yield Finding(seen.connection, "tender", seen.key, "tender_missing", reason)


async def held(row: Drift, _: Vendors) -> dict[str, Any]:
    return {}


async def notices(row: Drift, _: Vendors, now: datetime) -> list[RepairNotice]:
    body = orjson.dumps({"tender": IN_THE_SHOP[row.key].model_dump(mode="json")})
    event = repair_event(row, now, source="shopify", kind="shopify.tenders/repair", entity="tender", body=body)
    return [RepairNotice(RAW_SHOPIFY_TENDER, event, covers=row.key)]


ENTITY = Entity("tender", compare, held, notices)
