"""The record types: fields with their kinds, defaults, required, read-only, unique and indexed fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Kind = Literal["int", "money", "number", "text", "flag", "time", "json"]


@dataclass(frozen=True)
class Resource:
    """One record type.

    `links` maps a field to the table it refers to; `asked` are booleans shown with a `?`.
    """

    name: str
    fields: Mapping[str, Kind]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    read_only: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    indexed: tuple[str, ...] = ()
    asked: frozenset[str] = frozenset()
    unfilterable: frozenset[str] = frozenset()
    links: Mapping[str, str] = field(default_factory=dict)
    custom_group: str = ""
    plain: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    back_dated: bool = False
    includes: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def names(kind: Kind, text: str) -> dict[str, Kind]:
    return dict.fromkeys(text.split(), kind)


STAMPS: Final = names("int", "id") | names("time", "created_at updated_at")

ITEMS: Final = Resource(
    name="items",
    fields=STAMPS
    | names("text", "public_id uuid description long_description primary_barcode type product_type")
    | names("text", "weight_unit width_unit height_unit depth_unit add_on_item_filter")
    | names("money", "price original_price")
    | names("number", "cost dynamic_margin weight width height depth")
    | names("flag", "active track_inventory available_online allow_fractional_qty prompt_for_price")
    | names("flag", "prompt_for_description use_dynamic_margin add_on_for_items_matching_filter has_images")
    | names("int", "primary_vendor_id primary_image_id default_lookup_id grid_id default_price_list_id")
    | names("int", "financial_class_id import_batch_id import_set_id sort_key created_by_user_id updated_by_user_id")
    | names("json", "metadata metadata_private custom"),
    defaults={
        "long_description": None, "cost": 0, "price": 0, "original_price": None, "active": True,
        "track_inventory": True, "available_online": False, "allow_fractional_qty": False, "type": "regular",
        "product_type": "simple", "prompt_for_price": False, "prompt_for_description": False, "grid_id": None,
        "primary_vendor_id": None, "primary_image_id": None, "default_lookup_id": None, "weight": None,
        "created_by_user_id": 100001, "updated_by_user_id": 100001,
    },
    read_only=frozenset({"uuid", "created_by_user_id", "updated_by_user_id"}),
    required=("description",),
    unique=("public_id",),
    indexed=("public_id",),
    asked=frozenset({"active", "track_inventory", "allow_fractional_qty"}),
    custom_group="item",
    searched=("description", "public_id"),
)  # fmt: skip

CUSTOMERS: Final = Resource(
    name="customers",
    fields=STAMPS
    | names("text", "public_id uuid first_name last_name name email phone_number")
    | names("flag", "active promotional_emails promotional_messages")
    | names("number", "loyalty_points_balance loyalty_points_total")
    | names("time", "deleted_at")
    | names("json", "custom"),
    defaults={
        "email": None, "phone_number": None, "active": True, "promotional_emails": False,
        "promotional_messages": False, "loyalty_points_balance": 0, "loyalty_points_total": 0, "deleted_at": None,
    },
    read_only=frozenset({"uuid", "name", "loyalty_points_balance", "loyalty_points_total", "deleted_at"}),
    required=("first_name", "last_name"),
    unique=("public_id",),
    indexed=("public_id", "email"),
    asked=frozenset({"active", "promotional_emails", "promotional_messages"}),
    custom_group="customer",
    searched=("name", "email", "public_id"),
)  # fmt: skip

ADDRESSES: Final = Resource(
    name="addresses",
    fields=STAMPS | names("text", "first_name last_name line_1 line_2 city state postal_code country phone"),
    defaults=dict.fromkeys(("line_1", "line_2", "city", "state", "postal_code", "country", "phone")),
    required=("first_name", "last_name"),
)

SALE: Final = names("int", "customer_id source_location_id station_id") | names("text", "public_id status sales_rep")
SALE_TOTALS: Final = names("number", "total total_tax total_discounts total_paid balance")
SALE_LINKS: Final = {
    "customer_id": "customers", "source_location_id": "locations", "station_id": "stations", "order_id": "orders",
    "billing_address_id": "addresses", "shipping_address_id": "addresses", "shipping_method_id": "shipping_methods",
    "item_id": "items", "ship_from_location_id": "locations", "payment_type_id": "payment_types",
    "location_id": "locations",
}  # fmt: skip
SALE_INCLUDES: Final = {
    name.removesuffix("_id"): (name, table)
    for name, table in SALE_LINKS.items()
    if name in ("customer_id", "source_location_id", "station_id", "billing_address_id", "shipping_address_id",
                "shipping_method_id", "location_id")
}  # fmt: skip

ORDERS: Final = Resource(
    name="orders",
    fields=STAMPS
    | SALE
    | SALE_TOTALS
    | names("int", "billing_address_id shipping_address_id shipping_method_id location_id")
    | names("money", "shipping_charge")
    | names("json", "custom"),
    defaults={
        "status": "pending", "customer_id": None, "billing_address_id": None, "shipping_address_id": None,
        "shipping_method_id": None, "shipping_charge": 0, "sales_rep": None, "total": 0, "total_tax": 0,
        "total_discounts": 0, "total_paid": 0, "balance": 0,
    },
    read_only=frozenset({"total", "total_tax", "total_discounts", "total_paid", "balance", "location_id"}),
    required=("source_location_id", "station_id"),
    indexed=("public_id", "status", "customer_id"),
    links=SALE_LINKS,
    custom_group="sales.transaction",
    plain=("status", "customer_id"),
    back_dated=True,
    includes=SALE_INCLUDES,
)  # fmt: skip

ORDER_LINES: Final = Resource(
    name="order_lines",
    fields=STAMPS
    | names("int", "item_id ship_from_location_id")
    | names("number", "qty unit_cost")
    | names("money", "original_unit_price adjusted_unit_price total_tax")
    | names("text", "type description item_description")
    | names("json", "custom"),
    defaults={"type": "ItemLine", "qty": 1, "ship_from_location_id": None, "total_tax": 0, "description": None},
    read_only=frozenset({"type", "item_description", "unit_cost"}),
    required=("item_id", "qty", "original_unit_price", "adjusted_unit_price"),
    indexed=("item_id",),
    links=SALE_LINKS,
    custom_group="sales.transaction.line_item",
    back_dated=True,
)

ORDER_TAXES: Final = Resource(
    name="order_taxes",
    fields=STAMPS | names("text", "description") | names("money", "value"),
    defaults={"description": "Tax"},
    required=("value",),
)

ORDER_DISCOUNTS: Final = Resource(
    name="order_discounts",
    fields=STAMPS | names("text", "description") | names("money", "amount"),
    defaults={"description": "Discount"},
    required=("amount",),
)

PAYMENTS: Final = Resource(
    name="payments",
    fields=STAMPS
    | names("text", "type status description")
    | names("money", "amount")
    | names("int", "payment_type_id")
    | names("flag", "deposit")
    | names("time", "completed_at local_completed_at")
    | names("json", "custom"),
    defaults={"description": None, "deposit": False, "status": "complete"},
    read_only=frozenset({"status", "local_completed_at"}),
    required=("type", "payment_type_id", "amount"),
    links=SALE_LINKS,
    custom_group="payment",
    indexed=("payment_type_id",),
)

INVOICES: Final = Resource(
    name="invoices",
    fields=STAMPS
    | SALE
    | SALE_TOTALS
    | names("int", "order_id")
    | names("text", "type")
    | names("money", "shipping_charge")
    | names("flag", "completed voided")
    | names("time", "completed_at local_completed_at")
    | names("json", "custom"),
    defaults={
        "type": "Invoice", "status": "pending", "shipping_charge": 0, "sales_rep": None, "total_tax": 0, "total": 0,
        "total_discounts": 0, "total_paid": 0, "balance": 0, "completed": False, "voided": False, "completed_at": None,
        "local_completed_at": None,
    },
    read_only=frozenset(
        {"type", "total", "total_tax", "total_discounts", "total_paid", "balance", "shipping_charge", "completed"}
        | {"voided", "status", "completed_at", "local_completed_at"}
    ),
    required=("order_id", "source_location_id", "station_id"),
    indexed=("order_id", "status", "public_id", "customer_id"),
    asked=frozenset({"completed", "voided"}),
    unfilterable=frozenset({"completed", "voided"}),
    links=SALE_LINKS,
    custom_group="sales.transaction",
    plain=("order_id", "status"),
    includes=SALE_INCLUDES | {"order": ("order_id", "orders")},
)  # fmt: skip

INVOICE_LINES: Final = Resource(
    name="invoice_lines",
    fields=STAMPS
    | names("int", "item_id")
    | names("number", "qty unit_cost")
    | names("money", "value original_unit_price adjusted_unit_price")
    | names("text", "type description item_description")
    | names("json", "custom price_adjustments"),
    defaults={"type": "ItemLine", "qty": 1, "description": None},
    read_only=frozenset(
        {"value", "original_unit_price", "adjusted_unit_price", "item_description", "unit_cost", "price_adjustments"}
    ),
    required=("item_id",),
    indexed=("item_id",),
    links=SALE_LINKS,
    custom_group="sales.transaction.line_item",
)

TICKETS: Final = Resource(
    name="tickets",
    fields=STAMPS
    | SALE
    | SALE_TOTALS
    | names("text", "type customer_name")
    | names("int", "parent_transaction_id")
    | names("flag", "completed voided")
    | names("time", "completed_at local_completed_at")
    | names("json", "custom"),
    indexed=("status", "public_id", "customer_id"),
    asked=frozenset({"completed", "voided"}),
    unfilterable=frozenset({"completed", "voided"}),
    plain=("status",),
    includes=SALE_INCLUDES,
)

TICKET_LINES: Final = Resource(
    name="ticket_lines", fields=INVOICE_LINES.fields, indexed=("item_id",), defaults={"type": "ItemLine"}
)

LOCATIONS: Final = Resource(
    name="locations",
    fields=STAMPS | names("text", "public_id name") | names("flag", "active"),
    defaults={"active": True},
    unique=("public_id",),
    indexed=("public_id",),
    asked=frozenset({"active"}),
)

STATIONS: Final = Resource(
    name="stations",
    fields=STAMPS | names("text", "name") | names("int", "location_id") | names("flag", "active"),
    defaults={"active": True},
    required=("location_id", "name"),
    indexed=("location_id",),
    asked=frozenset({"active"}),
    links=SALE_LINKS,
    plain=("location_id",),
)

PAYMENT_TYPES: Final = Resource(
    name="payment_types",
    fields=STAMPS | names("text", "name") | names("flag", "active"),
    defaults={"active": True},
    required=("name",),
    asked=frozenset({"active"}),
    indexed=("name",),
)

SHIPPING_METHODS: Final = Resource(
    name="shipping_methods",
    fields=STAMPS | names("text", "name") | names("flag", "active"),
    defaults={"active": True},
    required=("name",),
    asked=frozenset({"active"}),
)

CUSTOM_FIELDS: Final = Resource(
    name="custom_fields",
    fields=STAMPS
    | names("text", "group_id name key validation_type")
    | names("flag", "required unique")
    | names("json", "metadata"),
    defaults={"required": False, "unique": False, "validation_type": "text", "metadata": {}},
    required=("group_id", "name", "key"),
    indexed=("group_id", "key"),
)

USERS: Final = Resource(
    name="users",
    fields=STAMPS | names("text", "login first_name last_name email") | names("flag", "active"),
    defaults={"active": True},
    asked=frozenset({"active"}),
)

WEBHOOKS: Final = Resource(
    name="webhooks", fields=STAMPS | names("text", "url") | names("json", "events"), required=("url", "events")
)

RESOURCES: Final = (
    ITEMS, CUSTOMERS, ADDRESSES, ORDERS, ORDER_LINES, ORDER_TAXES, ORDER_DISCOUNTS, PAYMENTS, INVOICES, INVOICE_LINES,
    TICKETS, TICKET_LINES, LOCATIONS, STATIONS, PAYMENT_TYPES, SHIPPING_METHODS, CUSTOM_FIELDS, USERS, WEBHOOKS,
)  # fmt: skip
