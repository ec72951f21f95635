"""The simulated account: tables, stock, behaviour flags, and the initial records."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from services.sandbox.heartland import timestamps
from services.sandbox.heartland.behaviour_flags import BehaviourFlags
from services.sandbox.heartland.decimal_json import Number
from services.sandbox.heartland.hooks import Hooks
from services.sandbox.heartland.schema import RESOURCES
from services.sandbox.heartland.stock import Stock
from services.sandbox.heartland.table import Row, Table
from services.sandbox.world import World

ONLINE: Final = 100001
MAIN_STREET: Final = 100002
INITIAL_SETTINGS: Final = {
    "pos.tickets.customer_required": False,
    "pos.tickets.sales_rep_required": False,
    "pos.tickets.reason_of_adjusting_price_required": False,
}
# The custom fields that an account needs for the integration: group, key, label.
INITIAL_CUSTOM_FIELDS: Final = (
    ("sales.transaction", "shopify_order_id", "Shopify order id"),
    ("sales.transaction", "tracking_number", "Tracking number"),
    ("sales.transaction", "carrier", "Carrier"),
    ("sales.transaction", "tracking_url", "Tracking URL"),
    ("sales.transaction.line_item", "shopify_line_id", "Shopify line id"),
    ("payment", "shopify_transaction_id", "Shopify transaction id"),
    ("customer", "shopify_customer_id", "Shopify customer id"),
)


@dataclass
class InternalState:
    """Per-record state that the API does not show."""

    invoiced: dict[int, Number] = field(default_factory=dict)  # by order line: quantity in completed invoices
    claimed: dict[int, Number] = field(
        default_factory=dict
    )  # by order line: quantity in completed and pending invoices
    allocated: dict[int, list[tuple[int, Number]]] = field(default_factory=dict)  # invoice line -> order lines
    committed: dict[int, tuple[int, int, Number]] = field(default_factory=dict)  # order line -> item, location, qty
    computed_tax: dict[int, int] = field(default_factory=dict)  # order -> the tax line that Heartland computes itself


class Heartland:
    """The account's state; the rules are in the modules named after the records."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.reset()

    def reset(self) -> None:
        self.flags = BehaviourFlags()
        self.tables = {resource.name: Table(resource, self.world.clock.monotonic) for resource in RESOURCES}
        self.internal = InternalState()
        self.stock = Stock(self.now)
        self.hooks = Hooks(self.world, lambda: self.flags, self.tables["webhooks"])
        self.settings: dict[str, Any] = dict(INITIAL_SETTINGS)
        self.tax_rate: Decimal = self.world.settings.sandbox_tax_rate
        self._initial_records()

    def __getitem__(self, table: str) -> Table:
        return self.tables[table]

    def now(self) -> str:
        return timestamps.stamp(self.world.clock.now())

    def local(self, stamp: str) -> str:
        return timestamps.local(stamp, self.flags.local_offset_hours)

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.world.random.getrandbits(128), version=4))

    def add(self, table: str, **values: Any) -> int:
        """Adds a record without checks, as if it had been set up by the account's staff."""
        now = self.now()
        resource = self.tables[table].resource
        known = {"id": 0, **dict.fromkeys(resource.fields), **resource.defaults, **values}
        return self.tables[table].insert(known | {"created_at": now, "updated_at": now})

    def ensure_item(self, sku: str, description: str, price: Decimal | str) -> int:
        """The id of the item with this SKU, which is created if missing."""
        known = self["items"].first("public_id", sku)
        if known is not None:
            return int(known["id"])
        number = self.add(
            "items", public_id=sku, uuid=self.uuid(), description=description or sku, price=Decimal(price), custom={}
        )
        self.hooks.fire("item_created", self["items"].rows[number])
        return number

    def item(self, number: int) -> Row:
        return self["items"].rows[number]

    def required_custom(self, group: str) -> list[str]:
        fields = self["custom_fields"]
        rows = (fields.rows[number] for number in fields.equal_to("group_id", group))
        return [row["key"] for row in rows if row["required"]]

    def unique_custom(self, group: str) -> list[str]:
        fields = self["custom_fields"]
        rows = (fields.rows[number] for number in fields.equal_to("group_id", group))
        return [row["key"] for row in rows if row["unique"]]

    def _initial_records(self) -> None:
        self.add("users", login="integration", first_name="Ira", last_name="Gate", email="integration@example.test")
        self.add("locations", public_id="ONLINE", name="Online")
        self.add("locations", public_id="MAIN", name="Main Street")
        self.add("stations", name="Web 1", location_id=ONLINE)
        self.add("stations", name="Register 1", location_id=MAIN_STREET)
        self.add("stations", name="Register 2", location_id=MAIN_STREET)
        for name in ("Cash", "Credit Card"):
            self.add("payment_types", name=name)
        self.add("shipping_methods", name="Ground")
        for group, key, name in INITIAL_CUSTOM_FIELDS:
            self.add("custom_fields", group_id=group, key=key, name=name)
