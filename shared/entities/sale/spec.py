"""The sale's row in the table of entities.

Its Heartland hooks are kept; nothing reads them yet but the journal.
"""

from __future__ import annotations

from shared.entities.spec import Source, Spec, Webhook
from shared.messaging.topics import Topic

# Heartland's hooks. Written by ingress; read by the journal.
RAW_HEARTLAND_SALE = Topic("raw.heartland.sale")

SALE = Spec(
    name="sale",
    plural="sales",
    key="Heartland's ticket id",
    # `sales_transaction_completed` tells of tickets and of returns, and again when one is changed.
    sources=(Source("heartland", RAW_HEARTLAND_SALE, webhooks=(Webhook("sales_transaction_completed"),)),),
)
