"""The GraphQL documents of the way back: what can be fulfilled, the fulfilment itself, and our ids on the order."""

from __future__ import annotations

from shared.connectors.shopify.documents import Document

_REMAINING = """
fragment RemainingLines on FulfillmentOrder {
  id status
  assignedLocation { location { id } }
  lineItems(first: 15) {
    pageInfo { hasNextPage endCursor }
    nodes { id sku remainingQuantity lineItem { id } }
  }
}
"""

READ_FULFILMENT_ORDERS = Document(
    "ReadFulfilmentOrders",
    """
query ReadFulfilmentOrders($id: ID!, $after: String) {
  order(id: $id) {
    id
    fulfillmentOrders(first: 5, after: $after) { pageInfo { hasNextPage endCursor } nodes { ...RemainingLines } }
  }
}"""
    + _REMAINING,
    cost_hint=60,
)

READ_FULFILMENT_ORDER_LINES = Document(
    "ReadFulfilmentOrderLines",
    """
query ReadFulfilmentOrderLines($id: ID!, $after: String) {
  fulfillmentOrder(id: $id) {
    lineItems(first: 100, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { id sku remainingQuantity lineItem { id } }
    }
  }
}""",
    cost_hint=20,
)

# What was made already: asked only while a call is in doubt.
READ_FULFILMENTS = Document(
    "ReadFulfilments",
    """
query ReadFulfilments($id: ID!) {
  order(id: $id) {
    id
    fulfillments(first: 200) {
      id status createdAt
      trackingInfo(first: 5) { number }
      fulfillmentLineItems(first: 100) { nodes { quantity lineItem { id } } }
    }
  }
}""",
    cost_hint=60,
)

CREATE_FULFILMENT = Document(
    "CreateFulfilment",
    """
mutation CreateFulfilment($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) {
    fulfillment { id status }
    userErrors { field message }
  }
}""",
    cost_hint=12,
)

SET_METAFIELDS = Document(
    "SetMetafields",
    """
mutation SetMetafields($metafields: [MetafieldsSetInput!]!) {
  metafieldsSet(metafields: $metafields) {
    metafields { id }
    userErrors { code elementIndex field message }
  }
}""",
    cost_hint=12,
)

FULFILMENT_DOCUMENTS = (
    READ_FULFILMENT_ORDERS,
    READ_FULFILMENT_ORDER_LINES,
    READ_FULFILMENTS,
    CREATE_FULFILMENT,
    SET_METAFIELDS,
)
FULFILMENT_SCOPES = frozenset(
    {
        "read_orders",
        "write_orders",
        "read_locations",
        "read_merchant_managed_fulfillment_orders",
        "write_merchant_managed_fulfillment_orders",
    }
)
