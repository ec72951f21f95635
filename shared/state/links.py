"""Links: the identity map of Shopify and Heartland ids. The schema keeps them unique both ways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from shared.errors import NeedsReview
from shared.state.database import Database, clean


@dataclass(frozen=True, slots=True)
class LinkRow:
    connection: str
    entity: str
    shopify_id: str
    heartland_id: str
    heartland_public_id: str
    linked_at: datetime


# Reads its rows from the CTE `pairs` (see ledger.CLAIM_PART).
LINK_PART = """
    insert into links (connection, entity, shopify_id, heartland_id, heartland_public_id)
    select connection, entity, shopify_id, heartland_id, heartland_public_id from pairs on conflict do nothing"""
_LINK = f"""
    with pairs as (
        select $1::text as connection, $2::text as entity, $3::text as shopify_id, $4::text as heartland_id,
               $5::text as heartland_public_id)
    {LINK_PART}"""
_MOVE = """
    update links set heartland_id = $4, heartland_public_id = $5, linked_at = now()
     where connection = $1 and entity = $2 and shopify_id = $3 and heartland_id = $6
       and not exists (select from links where connection = $1 and entity = $2 and heartland_id = $4)"""
_COLUMNS = "connection, entity, shopify_id, heartland_id, heartland_public_id, linked_at"


class Links:
    """The links of all connections. Every method raises TargetDown without a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(
        self, connection: str, entity: str, *, shopify_id: str | None = None, heartland_id: str | None = None
    ) -> LinkRow | None:
        """The link by either id, or by both if both are given."""
        row = await self._db.fetchrow(
            f"""select {_COLUMNS} from links where connection = $1 and entity = $2
                   and ($3::text is null or shopify_id = $3) and ($4::text is null or heartland_id = $4)
                   and coalesce($3, $4) is not null""",  # noqa: S608
            connection, entity, shopify_id, heartland_id,
        )  # fmt: skip
        return _link(row) if row else None

    async def by_heartland_ids(self, connection: str, entity: str, heartland_ids: Iterable[str]) -> dict[str, LinkRow]:
        """Links by Heartland id; ids without a link are absent."""
        rows = await self._db.fetch(
            f"select {_COLUMNS} from links where connection = $1 and entity = $2 and heartland_id = any($3::text[])",  # noqa: S608
            connection, entity, [clean(one) for one in heartland_ids],
        )  # fmt: skip
        return {row["heartland_id"]: _link(row) for row in rows}

    async def put(
        self,
        connection: str,
        entity: str,
        shopify_id: str,
        heartland_id: str,
        heartland_public_id: str = "",
        instead_of: str = "",
    ) -> None:
        """Link two records. Idempotent; a repeat may add the public id.

        `instead_of` is the Heartland record whose link is replaced.

        Raises NeedsReview if either is already linked to another record.
        """
        values = (connection, entity, clean(shopify_id), clean(heartland_id), clean(heartland_public_id))
        if await self._db.execute(_LINK, *values):
            return
        if instead_of and await self._db.execute(_MOVE, *values, clean(instead_of)):
            return
        same = await self._db.execute(
            """update links set heartland_public_id = case $5 when '' then heartland_public_id else $5 end
                where connection = $1 and entity = $2 and shopify_id = $3 and heartland_id = $4""",
            *values,
        )
        if not same:
            raise await self._conflict(connection, entity, shopify_id, heartland_id)

    async def _conflict(self, connection: str, entity: str, shopify_id: str, heartland_id: str) -> NeedsReview:
        rows = await self._db.fetch(
            f"""select {_COLUMNS} from links
                 where connection = $1 and entity = $2 and (shopify_id = $3 or heartland_id = $4)""",  # noqa: S608
            connection, entity, clean(shopify_id), clean(heartland_id),
        )  # fmt: skip
        known = [f"Shopify {row['shopify_id']} = Heartland {row['heartland_id']}" for row in rows]
        return NeedsReview(
            f"{entity}: Shopify {shopify_id} and Heartland {heartland_id} cannot be linked: {'; '.join(known)}",
            kind="link_conflict",
            advice="Two records claim to be the same one. Find out which pair is right, and merge or remove the other.",
            details={"shopify_id": shopify_id, "heartland_id": heartland_id, "known": known},
        )


def _link(row: asyncpg.Record) -> LinkRow:
    return LinkRow(**dict(row.items()))
