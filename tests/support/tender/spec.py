"""An entity made up for tests: a payment method in the shop, a payment type in Heartland."""

from __future__ import annotations

from shared.entities.spec import Comparison, Source, Spec, Webhook
from shared.messaging.topics import Topic

RAW_SHOPIFY_TENDER = Topic("raw.shopify.tender")
CANONICAL_TENDER = Topic("canonical.tender")
_HERE = "tests.support.tender"

TENDER = Spec(
    name="tender",
    plural="tenders",
    key="Shopify's id of the payment method",
    sources=(Source("shopify", RAW_SHOPIFY_TENDER, webhooks=(Webhook("tenders/update", ("tender", "id")),)),),
    canonical=(CANONICAL_TENDER,),
    transform=f"{_HERE}.transform:route",
    writers=(("heartland", f"{_HERE}.to_heartland:open_writer"),),
    comparison=Comparison(entities=(f"{_HERE}.compare:ENTITY",), records=f"{_HERE}.compare:Tenders"),
    key_is_shopify_id=True,
)
