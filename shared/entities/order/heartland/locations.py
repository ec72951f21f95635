"""Heartland's locations with their stations: models and requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from shared.connectors.heartland.client import HeartlandClient
from shared.connectors.heartland.decimal_json import normalized
from shared.connectors.heartland.models import Model, Text, read_one
from shared.limits.call_context import CallContext


class Station(Model):
    id: int
    name: Text = ""
    active: bool = True


class Location(Model):
    id: int
    public_id: Text = ""
    name: Text = ""
    stations: tuple[Station, ...] = ()

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Self:
        stations = [normalized(station) for station in record.get("stations") or ()]
        return cls.model_validate({**normalized(record), "stations": stations})


async def read_locations(client: HeartlandClient, context: CallContext) -> list[Location]:
    """All locations that the token's user may see, each with its stations."""
    stations = [("_include[]", "stations")]
    return [read_one(Location, row) async for row in client.walk("locations", extra=stations, context=context)]
