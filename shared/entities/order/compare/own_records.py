"""What we believe of some orders, and what of them is still on its way: read from our own tables, many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.entities.fulfilment.shopify.allocation import FulfilmentCall
from shared.entities.order.compare.snapshot import Decided, Known
from shared.state.database import Database

_VERSIONS = """
    select key, version, content_hash from versions
     where connection = $1 and entity = 'order' and target = 'heartland' and key = any($2::text[])"""
_EFFECTS = """
    select key, operation, state, result from effects
     where connection = $1 and key = any($2::text[]) and (state = 'sent' or operation like 'fulfilment:%')"""
_PARKED = """
    select distinct split_part(key, '|', 2) as key from parked_keys
     where connection = $1 and key = any($2::text[])"""
# What we asked a person ourselves hides nothing: how else would we see that it is over? Nor does what is only about
# money that the shop gives back, while the order itself is written.
_REVIEWS = """
    select distinct key from reviews r where connection = $1 and state = 'open' and key = any($2::text[])
       and kind not in ('overpaid', 'refund_by_hand')
       and not exists (select from drift d where d.state in ('review', 'repairing') and
                       (d.connection, d.entity, d.key, d.kind) = (r.connection, r.entity, r.key, r.kind))"""
# What a person has settled (not what was to be tried again): of which content, by when it was asked, and when. What we
# asked ourselves is left out, since its row tells when it is over.
_DECIDED = """
    select key, entity, (details->>'asked_at')::timestamptz as asked_at, updated_at as decided_at from reviews r
     where connection = $1 and state = 'decided' and key = any($2::text[])
       and details->>'decided' in ('done', 'ignore') and details ? 'asked_at'
       and not exists (select from drift d where d.state = 'review' and
                       (d.connection, d.entity, d.key, d.kind) = (r.connection, r.entity, r.key, r.kind))
     order by updated_at"""
# What the order's own writer did after its letter was written is newer than the letter.
_LETTERS = """
    select distinct key from alerts a
     where connection = $1 and state = 'open' and kind in ('dead_letter', 'key_halted') and key = any($2::text[])
       and entity = any($3::text[])
       and not exists (select from journal j where a.kind = 'dead_letter' and a.entity = 'order'
                          and (j.connection, j.entity, j.key, j.service) = (a.connection, a.entity, a.key, a.service)
                          and j.outcome = 'applied' and j.started_at > a.last_at)"""
# Received and not ended: the last sign of an order, or of its shipments, at the door and at the far end of the road.
_FLIGHT = """
    select key, max(finished_at) filter (where outcome = 'received') as received,
           max(finished_at) filter (where outcome not in ('received', 'retrying', 'published')
                                      and service in ('heartland_writer', 'shopify_writer')
                                       or service = 'transformers'
                                      and outcome in ('review', 'skipped', 'dead_letter')) as ended
      from journal where connection = $1 and entity = any($3::text[]) and key = any($2::text[])
     group by key, entity"""
_LINKS = "select shopify_id, heartland_id from links where connection = $1 and entity = 'order' and "


@dataclass(frozen=True, slots=True)
class Beliefs:
    """`known` by Shopify's order id, `links` from there to Heartland's id."""

    known: Mapping[str, Known] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


class OwnBooks:
    """Every method raises TargetDown without a database."""

    def __init__(self, db: Database, entities: Sequence[str], in_flight: timedelta) -> None:
        self._db = db
        self._entities = list(entities)
        self._in_flight = in_flight

    async def of(self, connection: str, keys: Sequence[str], now: datetime) -> Beliefs:
        """What we believe of these orders."""
        known = {key: Known() for key in keys}
        for row in await self._db.fetch(_VERSIONS, connection, list(keys)):
            known[row["key"]] = _with_version(known[row["key"]], row)
        await self._add_effects(connection, known)
        for why, sql, names in (
            ("it is parked", _PARKED, [[f"{connection}|{key}" for key in keys]]),
            ("a person was asked", _REVIEWS, [list(keys)]),
            ("it is a dead letter", _LETTERS, [list(keys), self._entities]),
        ):
            for row in await self._db.fetch(sql, connection, *names):
                known[row["key"]] = replace(known[row["key"]], busy=why)
        for row in await self._db.fetch(_FLIGHT, connection, list(keys), self._entities):
            if is_in_flight(row["received"], row["ended"], now, self._in_flight):
                known[row["key"]] = replace(known[row["key"]], busy="it is on its way")
        for row in await self._db.fetch(_DECIDED, connection, list(keys)):
            decided = {**known[row["key"]].decided, row["entity"]: Decided(row["asked_at"], row["decided_at"])}
            known[row["key"]] = replace(known[row["key"]], decided=decided)
        rows = await self._db.fetch(_LINKS + "shopify_id = any($2::text[])", connection, list(keys))
        return Beliefs(known, {row["shopify_id"]: row["heartland_id"] for row in rows})

    async def linked(self, connection: str, heartland_ids: Iterable[str]) -> dict[str, str]:
        """Shopify's ids of those Heartland orders that are ours, by Heartland's."""
        rows = await self._db.fetch(_LINKS + "heartland_id = any($2::text[])", connection, list(heartland_ids))
        return {row["heartland_id"]: row["shopify_id"] for row in rows}

    async def _add_effects(self, connection: str, known: dict[str, Known]) -> None:
        for row in await self._db.fetch(_EFFECTS, connection, list(known)):
            before = known[row["key"]]
            if row["state"] == "sent":
                known[row["key"]] = replace(before, busy="a call is in doubt")
            elif row["state"] == "done":
                invoice = row["operation"].split(":")[1]
                units = sum(part.quantity for part in FulfilmentCall.read(row["result"]).parts)
                shipped = {**before.shipped, invoice: before.shipped.get(invoice, 0) + units}
                known[row["key"]] = replace(before, shipped=shipped)


def is_in_flight(received: datetime | None, ended: datetime | None, now: datetime, at_most: timedelta) -> bool:
    """Whether something of an order came in and has not come out yet; not for ever, since that would hide a loss."""
    if received is None or now - received > at_most:
        return False
    return ended is None or ended < received


def _with_version(known: Known, row: Any) -> Known:
    # A mark before the hash: `!` it was not written, a person must act; `?` it was, and a review is open.
    said = str(row["content_hash"])
    blocked = said.startswith("!")
    return replace(known, version=row["version"], content_hash=said.lstrip("!?"), blocked=blocked)
