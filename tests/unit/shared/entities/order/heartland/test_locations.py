from __future__ import annotations

from shared.entities.order.heartland.locations import read_locations
from shared.limits.call_context import LIVE
from tests.unit.shared.connectors.heartland.server import answering, page


async def test_names_are_read_in_every_spelling() -> None:
    rows = [{"id": 1, "publicId": "MAIN", "name": "Main", "stations": [{"id": 2, "active?": False, "name": "Till"}]}]
    async with answering(lambda request: page(rows)) as spoken:
        (location,) = await read_locations(spoken.client, LIVE)

    assert (location.public_id, location.stations[0].active) == ("MAIN", False)
    assert spoken.asked[0][2]["_include[]"] == "stations"
