"""The customer's row in the table of entities.

Its Heartland hooks are kept; nothing reads them yet but the journal.
"""

from __future__ import annotations

from shared.entities.spec import Source, Spec, Webhook
from shared.messaging.topics import Topic

# Heartland's hooks. Written by ingress; read by the journal.
RAW_HEARTLAND_CUSTOMER = Topic("raw.heartland.customer")

CUSTOMER = Spec(
    name="customer",
    plural="customers",
    key="Heartland's customer id",
    sources=(
        Source(
            "heartland", RAW_HEARTLAND_CUSTOMER, webhooks=(Webhook("customer_created"), Webhook("customer_updated"))
        ),
    ),
)
