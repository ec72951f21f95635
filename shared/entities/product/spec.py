"""The product's row in the table of entities.

Its Heartland hooks are kept; nothing reads them yet but the journal.
"""

from __future__ import annotations

from shared.entities.spec import Source, Spec, Webhook
from shared.messaging.topics import Topic

# Heartland's hooks. Written by ingress; read by the journal.
RAW_HEARTLAND_PRODUCT = Topic("raw.heartland.product")

PRODUCT = Spec(
    name="product",
    plural="products",
    key="Heartland's item id",
    sources=(Source("heartland", RAW_HEARTLAND_PRODUCT, webhooks=(Webhook("item_created"), Webhook("item_updated"))),),
)
