"""`tillbridge trace`: the story of an order through all hops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.canonical.hop import Hop
from shared.runtime.output import clock_time, console, print_json, print_table
from shared.state.database import Database
from shared.state.journal import Journal


@dataclass(frozen=True, slots=True)
class Story:
    """All hops of one order, first to last."""

    connection: str
    order_number: str
    shopify_id: str
    heartland_id: str
    hops: tuple[Hop, ...]

    @property
    def began(self) -> datetime:
        return min(hop.started_at for hop in self.hops)

    def as_json(self) -> dict[str, Any]:
        return {
            "connection": self.connection,
            "order_number": self.order_number,
            "shopify_id": self.shopify_id,
            "heartland_id": self.heartland_id,
            "hops": [hop.model_dump() for hop in self.hops],
        }


async def read_stories(url: str, query: str, connection: str | None) -> list[Story]:
    """What the journal knows of `query`: two orders may have the same number. Raises TargetDown."""
    async with Database.open(url, 1) as database:
        return stories(await Journal(database).story(connection, query))


def stories(hops: Iterable[Hop]) -> list[Story]:
    """The hops sorted into orders, in the order in which those began."""
    by_order: dict[tuple[str, str], list[Hop]] = {}
    for hop in hops:
        by_order.setdefault((hop.connection, hop.key), []).append(hop)
    return [_story(connection, key, found) for (connection, key), found in by_order.items()]


def _story(connection: str, key: str, hops: Sequence[Hop]) -> Story:
    return Story(
        connection,
        order_number=_last(hop.order_number for hop in hops),
        shopify_id=_last(hop.shopify_id for hop in hops) or key,
        heartland_id=_last(hop.heartland_id for hop in hops),
        hops=tuple(hops),
    )


def _last(values: Iterable[str]) -> str:
    return next((value for value in reversed(list(values)) if value), "")


def show(found: Sequence[Story], *, as_json: bool) -> None:
    if as_json:
        print_json([story.as_json() for story in found])
        return
    for story in found:
        console().print(heading(story), markup=False)
        columns = ("time", "after", "service", "what happened", "tries", "took", "detail")
        print_table("", columns, [_row(story, hop) for hop in story.hops], empty="")


def heading(story: Story) -> str:
    number = story.order_number or "(no number yet)"
    heartland = story.heartland_id or "not there yet"
    return f"order {number} of {story.connection}: Shopify {story.shopify_id}, Heartland {heartland}"


def _row(story: Story, hop: Hop) -> tuple[str, ...]:
    after = (hop.finished_at - story.began).total_seconds()
    took = (hop.finished_at - hop.started_at).total_seconds()
    return (
        clock_time(hop.finished_at),
        f"{after:.3f} s",
        hop.service,
        f"{hop.entity} {hop.outcome}",
        str(hop.attempts),
        f"{took:.3f} s",
        _detail(hop),
    )


def _detail(hop: Hop) -> str:
    """What the service said, and for how many events this one stands."""
    merged = f" (for {len(hop.lineage)} notices)" if len(hop.lineage) > 1 else ""
    return hop.detail + merged
