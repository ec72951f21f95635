"""The shop's locations: initially a store that ships and a warehouse."""

from __future__ import annotations

from services.sandbox.shopify.money import Json

PRIMARY = 61_000_000_001
WAREHOUSE = 61_000_000_002
ADDRESS = {
    "address1": "1 Example Street",
    "city": "Louisville",
    "province": "Kentucky",
    "province_code": "KY",
    "country": "United States",
    "country_code": "US",
    "zip": "40202",
}


class Locations:
    def __init__(self) -> None:
        self.rows: dict[int, Json] = {}
        self.primary = PRIMARY
        self.add({"id": PRIMARY, "name": "Main Street"})
        self.add({"id": WAREHOUSE, "name": "Warehouse"})

    def add(self, location: Json) -> None:
        made = "2024-01-02T09:00:00-05:00"
        self.rows[int(location["id"])] = {**ADDRESS, "active": True, "created_at": made, "updated_at": made, **location}

    def at(self, location_id: int) -> Json:
        """The location with this id; created if only an order refers to it."""
        if location_id not in self.rows:
            self.add({"id": location_id, "name": f"Location {location_id}"})
        return self.rows[location_id]
