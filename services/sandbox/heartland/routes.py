"""The routes of the simulated Heartland: path pattern and method to rule. `#` is an id, `*` any word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.sandbox.heartland import inventory, invoices, order_parts, orders, records
from services.sandbox.heartland.call import Rule, index, index_of, show, show_child

CALLS: Final[Mapping[str, Mapping[str, Rule]]] = {
    "system/whoami": {"GET": records.whoami},
    "system/host": {"GET": records.host},
    "locations": {"GET": index("locations")},
    "locations/#": {"GET": show("locations")},
    "stations": {"GET": index("stations"), "POST": records.add("stations")},
    "stations/#": {"GET": show("stations"), "PUT": records.alter("stations")},
    "users": {"GET": index("users")},
    "users/#": {"GET": show("users")},
    "settings/*": {"GET": records.read_setting, "PUT": records.write_setting},
    "custom_fields": {"GET": index("custom_fields"), "POST": records.add_custom_field},
    "custom_fields/#": {"GET": show("custom_fields"), "PUT": records.alter("custom_fields")},
    "shipping_methods": {"GET": index("shipping_methods"), "POST": records.add("shipping_methods")},
    "shipping_methods/#": {"GET": show("shipping_methods"), "PUT": records.alter("shipping_methods")},
    "payment_types": {"GET": index("payment_types"), "POST": records.add("payment_types")},
    "payment_types/#": {"GET": show("payment_types")},
    "payments": {"GET": index("payments")},
    "payments/#": {"GET": show("payments")},
    "items": {"GET": index("items"), "POST": records.add_item},
    "items/#": {"GET": show("items"), "PUT": records.alter("items", "item_updated")},
    "customers": {"GET": index("customers"), "POST": records.add_customer},
    "customers/#": {"GET": show("customers"), "PUT": records.alter_customer},
    "customers/#/addresses": {"GET": index_of("customers", "addresses"), "POST": records.add_address},
    "customers/#/addresses/#": {"GET": show_child("addresses"), "PUT": records.alter_address},
    "sales/orders": {"GET": index("orders"), "POST": orders.add_order},
    "sales/orders/#": {"GET": show("orders"), "PUT": orders.alter_order},
    "sales/orders/#/lines": {"GET": index_of("orders", "order_lines"), "POST": order_parts.add_line},
    "sales/orders/#/lines/#": {
        "GET": show_child("order_lines"),
        "PUT": order_parts.alter_line,
        "DELETE": order_parts.delete_line,
    },
    "sales/orders/#/taxes": {"GET": index_of("orders", "order_taxes"), "POST": order_parts.add_tax},
    "sales/orders/#/taxes/#": {"GET": show_child("order_taxes")},
    "sales/orders/#/discounts": {"GET": index_of("orders", "order_discounts"), "POST": order_parts.add_discount},
    "sales/orders/#/discounts/#": {"GET": show_child("order_discounts")},
    "sales/orders/#/payments": {"GET": index_of("orders", "payments"), "POST": order_parts.add_payment},
    "sales/orders/#/payments/#": {"GET": show_child("payments")},
    "sales/invoices": {"GET": index("invoices"), "POST": invoices.add_invoice},
    "sales/invoices/#": {"GET": show("invoices"), "PUT": invoices.alter_invoice},
    "sales/invoices/#/lines": {"GET": index_of("invoices", "invoice_lines"), "POST": invoices.add_line},
    "sales/invoices/#/lines/#": {"GET": show_child("invoice_lines")},
    "sales/tickets": {"GET": index("tickets")},
    "sales/tickets/#": {"GET": show("tickets")},
    "sales/tickets/#/lines": {"GET": index_of("tickets", "ticket_lines")},
    "inventory/values": {"GET": inventory.values},
    "inventory/transactions": {"GET": inventory.transactions},
    "webhooks": {"GET": index("webhooks"), "POST": records.add_webhook},
    "webhooks/#": {"GET": show("webhooks"), "PUT": records.alter("webhooks"), "DELETE": records.delete_webhook},
}
