"""The GraphQL documents that read fulfilment orders and fulfilments, and create fulfilments."""

from __future__ import annotations

from shared.connectors.shopify.document import Document

_REMAINING = """
fragment RemainingLines on FulfillmentOrder {
  id status
  supportedActions { action }
  assignedLocation { location { id } }
  lineItems(first: 15) {
    pageInfo { hasNextPage endCursor }
    nodes { id sku remainingQuantity lineItem { id } }
  }
}
"""

# With the ids of existing fulfilments: if the answer to a create is lost, they show which fulfilment is new.
READ_FULFILMENT_ORDERS = Document(
    "ReadFulfilmentOrders",
    """
query ReadFulfilmentOrders($id: ID!, $after: String) {
  order(id: $id) {
    id name
    fulfillments(first: 100) { id }
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

# Only read while a call is in doubt.
READ_FULFILMENTS = Document(
    "ReadFulfilments",
    """
query ReadFulfilments($id: ID!) {
  order(id: $id) {
    id
    fulfillments(first: 100) {
      id status
      trackingInfo(first: 5) { company number url }
      fulfillmentLineItems(first: 15) {
        pageInfo { hasNextPage endCursor }
        nodes { quantity lineItem { id } }
      }
    }
  }
}""",
    cost_hint=60,
)

READ_FULFILMENT_LINES = Document(
    "ReadFulfilmentLines",
    """
query ReadFulfilmentLines($id: ID!, $after: String) {
  fulfillment(id: $id) {
    fulfillmentLineItems(first: 100, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { quantity lineItem { id } }
    }
  }
}""",
    cost_hint=20,
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

UPDATE_TRACKING = Document(
    "UpdateTracking",
    """
mutation UpdateTracking($fulfilment: ID!, $tracking: FulfillmentTrackingInput!, $notify: Boolean) {
  fulfillmentTrackingInfoUpdate(fulfillmentId: $fulfilment, trackingInfoInput: $tracking, notifyCustomer: $notify) {
    fulfillment { id }
    userErrors { field message }
  }
}""",
    cost_hint=12,
)

READ_SHIPPED = Document(
    "ReadShipped",
    """
query ReadShipped($ids: [ID!]!) {
  nodes(ids: $ids) { ... on Order { legacyResourceId fulfillments(first: 50) { status totalQuantity } } }
}""",
    cost_hint=4,
    per="ids",
)

FULFILMENT_DOCUMENTS = (
    READ_SHIPPED,
    READ_FULFILMENT_ORDERS,
    READ_FULFILMENT_ORDER_LINES,
    READ_FULFILMENTS,
    READ_FULFILMENT_LINES,
    CREATE_FULFILMENT,
    UPDATE_TRACKING,
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
