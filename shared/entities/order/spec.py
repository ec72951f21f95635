"""The order's row in the table of entities. The link to Heartland is part of the order."""

from __future__ import annotations

from shared.entities.spec import Comparison, Source, Spec, Webhook
from shared.messaging.topics import Topic

# Notices of orders. Written by ingress, poller (what was missed) and reconciler (repairs).
RAW_SHOPIFY_ORDER = Topic("raw.shopify.order")
# The type of a notice of our own: the order is to be read back, and perhaps written again.
ORDER_REPAIR = "shopify.orders/repair"
# Whole orders as they stand. Written by the transformer; read by heartland_writer.
CANONICAL_ORDER = Topic("canonical.order")
# Which Heartland order is which Shopify order. Written by heartland_writer; read by shopify_writer.
CANONICAL_LINK = Topic("canonical.link")

_OF_AN_ORDER = ("order_id",)

ORDER = Spec(
    name="order",
    plural="orders",
    key="Shopify's order id",
    sources=(
        Source(
            "shopify",
            RAW_SHOPIFY_ORDER,
            # Everything that happens to an order travels under the order's id, in order.
            webhooks=(
                Webhook("orders/create"),
                Webhook("orders/updated"),
                Webhook("orders/paid"),
                Webhook("orders/cancelled"),
                Webhook("orders/fulfilled"),
                Webhook("orders/partially_fulfilled"),
                Webhook("orders/delete"),
                Webhook("orders/edited", ("order_edit", "order_id")),
                Webhook("refunds/create", _OF_AN_ORDER),
                Webhook("order_transactions/create", _OF_AN_ORDER),
                Webhook("fulfillments/create", _OF_AN_ORDER),
                Webhook("fulfillments/update", _OF_AN_ORDER),
            ),
        ),
    ),
    canonical=(CANONICAL_ORDER, CANONICAL_LINK),
    transform="shared.entities.order.transform:route",
    writers=(
        ("heartland", "shared.entities.order.to_heartland.handler:open_writer"),
        ("shopify", "shared.entities.order.to_shopify.handler:open_writer"),
    ),
    comparison=Comparison(
        entities=("shared.entities.order.compare.order:ENTITY", "shared.entities.order.compare.payment:ENTITY"),
        records="shared.entities.order.compare.records:Orders",
    ),
    key_is_shopify_id=True,
    read_again="shared.entities.order.compare.repair:read_again",
    read_now="shared.entities.order.read_now:read_now",
    previews=(
        ("order", "heartland", "shared.entities.order.to_heartland.preview:preview"),
        ("link", "shopify", "shared.entities.order.to_shopify.preview:preview"),
    ),
    settings=(
        ("heartland", "shared.entities.order.settings:HeartlandOrderSettings"),
        ("shopify", "shared.entities.order.settings:ShopifyOrderSettings"),
    ),
)
