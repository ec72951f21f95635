"""The fulfilment's row in the table of entities."""

from __future__ import annotations

from shared.entities.spec import Comparison, Poll, Source, Spec
from shared.messaging.topics import Topic

# Completed Heartland invoices of our orders. Written by the poller and the reconciler (repairs).
RAW_HEARTLAND_FULFILMENT = Topic("raw.heartland.fulfilment")
# Shipments as they stand. Written by the transformer; read by shopify_writer.
CANONICAL_FULFILMENT = Topic("canonical.fulfilment")

FULFILMENT = Spec(
    name="fulfilment",
    plural="fulfilments",
    key="the Shopify id of the order that was shipped",
    kind="fact",
    sources=(
        Source(
            "heartland",
            RAW_HEARTLAND_FULFILMENT,
            poll=Poll("heartland.invoices", "shared.entities.fulfilment.poll:open_poll"),
        ),
    ),
    canonical=(CANONICAL_FULFILMENT,),
    depends_on=("order",),
    transform="shared.entities.fulfilment.transform:route",
    writers=(("shopify", "shared.entities.fulfilment.to_shopify.handler:open_writer"),),
    comparison=Comparison(
        entities=("shared.entities.fulfilment.compare.fulfilment:ENTITY",),
        within="order",
        companion="shared.entities.fulfilment.compare.shipments:OrderShipments",
    ),
    previews=(("fulfilment", "shopify", "shared.entities.fulfilment.to_shopify.preview:preview"),),
    applied_fact="shared.entities.fulfilment.to_shopify.applied:is_applied",
    settings=(
        ("heartland", "shared.entities.fulfilment.settings:HeartlandFulfilmentSettings"),
        ("shopify", "shared.entities.fulfilment.settings:ShopifyFulfilmentSettings"),
    ),
)
