"""Every GraphQL document we send, each under its name.

Valid on 2026-07 and 2026-10, without deprecated fields.

Query cost is what limits us: objects cost one point and pages grow with `first`, so first pages are small and
longer orders are completed by the follow-up documents. Nothing is ever cut: a page says whether there is more,
and a list without a cursor that comes back full is read again in whole.
"""

from __future__ import annotations

from shared.connectors.shopify.document import PERSONAL, Document

# First pages of one order. Most orders fit in these.
LINES = 7
SHIPPING_LINES = 2
METAFIELDS = 9
TRANSACTIONS = 7
REFUNDS = 3
REFUND_LINES = 2
# Lists without a cursor, which are returned whole.
MANY = 200


_LINE = """
fragment Line on LineItem {
  id sku title quantity currentQuantity isGiftCard requiresShipping
  variant { id }
  originalUnitPriceSet { shopMoney { amount } }
  customAttributes { key value }
  discountAllocations { allocatedAmountSet { shopMoney { amount } } discountApplication { ...Label } }
  taxLines { title rate priceSet { shopMoney { amount } } }
}
"""

_SHIPPING_LINE = """
fragment Shipping on ShippingLine {
  id title code isRemoved
  originalPriceSet { shopMoney { amount } }
  discountAllocations { allocatedAmountSet { shopMoney { amount } } discountApplication { ...Label } }
  taxLines { title rate priceSet { shopMoney { amount } } }
}
"""

_LABEL = """
fragment Label on DiscountApplication {
  ... on DiscountCodeApplication { code }
  ... on AutomaticDiscountApplication { title }
  ... on ManualDiscountApplication { title }
  ... on ScriptDiscountApplication { title }
}
"""

_TRANSACTION = """
fragment Transaction on OrderTransaction {
  id kind status gateway manualPaymentGateway createdAt processedAt
  amountSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }
}
"""

_REFUNDED = """
fragment Refunded on RefundLineItem { quantity lineItem { id } }
"""

_ADDRESS = """
fragment Address on MailingAddress {
  firstName lastName company address1 address2 city province provinceCode zip country countryCodeV2 phone
}
"""

_ORDER = (
    f"""
fragment WholeOrder on Order {{
  id name number sourceName test createdAt processedAt updatedAt cancelledAt closedAt cancelReason
  displayFinancialStatus displayFulfillmentStatus currencyCode presentmentCurrencyCode taxesIncluded dutiesIncluded
  email phone note tags discountCodes
  customer {{ id firstName lastName defaultEmailAddress {{ emailAddress }} defaultPhoneNumber {{ phoneNumber }} }}
  billingAddress {{ ...Address }}
  shippingAddress {{ ...Address }}
  customAttributes {{ key value }}
  totalPriceSet {{ shopMoney {{ amount }} presentmentMoney {{ amount }} }}
  currentTotalPriceSet {{ shopMoney {{ amount }} }}
  totalDiscountsSet {{ shopMoney {{ amount }} }}
  totalTipReceivedSet {{ shopMoney {{ amount }} }}
  originalTotalDutiesSet {{ shopMoney {{ amount }} }}
  originalTotalAdditionalFeesSet {{ shopMoney {{ amount }} }}
  totalCashRoundingAdjustment {{ paymentSet {{ shopMoney {{ amount }} }} }}
  taxLines {{ title rate priceSet {{ shopMoney {{ amount }} }} }}
  lineItems(first: {LINES}) {{ pageInfo {{ hasNextPage endCursor }} nodes {{ ...Line }} }}
  shippingLines(first: {SHIPPING_LINES}, includeRemovals: true) {{
    pageInfo {{ hasNextPage endCursor }} nodes {{ ...Shipping }}
  }}
  metafields(first: {METAFIELDS}) {{ pageInfo {{ hasNextPage endCursor }} nodes {{ namespace key value }} }}
  transactions(first: {TRANSACTIONS}) {{ ...Transaction }}
  refunds(first: {REFUNDS}) {{
    id createdAt totalRefundedSet {{ shopMoney {{ amount }} }}
    refundLineItems(first: {REFUND_LINES}) {{ pageInfo {{ hasNextPage endCursor }} nodes {{ ...Refunded }} }}
  }}
}}
"""
    + _LINE
    + _SHIPPING_LINE
    + _LABEL
    + _TRANSACTION
    + _REFUNDED
    + _ADDRESS
)

# The first pages of many orders in one query; null for an order that Shopify does not return.
READ_ORDERS = Document(
    "ReadOrders",
    "query ReadOrders($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { ...WholeOrder } } }" + _ORDER,
    cost_hint=29,
    per="ids",
    optional_fields=PERSONAL,
)

# The follow-up documents. `updatedAt` shows whether the order changed while it was being read.
READ_ORDER_LINES = Document(
    "ReadOrderLines",
    """
query ReadOrderLines($id: ID!, $after: String) {
  node(id: $id) { ... on Order { updatedAt
    lineItems(first: 50, after: $after) { pageInfo { hasNextPage endCursor } nodes { ...Line } }
  } }
}"""
    + _LINE
    + _LABEL,
    cost_hint=100,
)

READ_ORDER_SHIPPING = Document(
    "ReadOrderShipping",
    """
query ReadOrderShipping($id: ID!, $after: String) {
  node(id: $id) { ... on Order { updatedAt
    shippingLines(first: 50, after: $after, includeRemovals: true) {
      pageInfo { hasNextPage endCursor } nodes { ...Shipping }
    }
  } }
}"""
    + _SHIPPING_LINE
    + _LABEL,
    cost_hint=70,
)

READ_ORDER_METAFIELDS = Document(
    "ReadOrderMetafields",
    """
query ReadOrderMetafields($id: ID!, $after: String) {
  node(id: $id) { ... on Order { updatedAt
    metafields(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes { namespace key value } }
  } }
}""",
    cost_hint=20,
)

READ_ORDER_TRANSACTIONS = Document(
    "ReadOrderTransactions",
    f"""
query ReadOrderTransactions($id: ID!) {{
  node(id: $id) {{ ... on Order {{ updatedAt transactions(first: {MANY}) {{ ...Transaction }} }} }}
}}"""
    + _TRANSACTION,
    cost_hint=50,
)

READ_ORDER_REFUNDS = Document(
    "ReadOrderRefunds",
    f"""
query ReadOrderRefunds($id: ID!) {{
  node(id: $id) {{ ... on Order {{ updatedAt
    refunds(first: {MANY}) {{ id createdAt totalRefundedSet {{ shopMoney {{ amount }} }} }}
  }} }}
}}""",
    cost_hint=40,
)

READ_REFUND_LINES = Document(
    "ReadRefundLines",
    """
query ReadRefundLines($id: ID!, $after: String) {
  node(id: $id) { ... on Refund { id
    refundLineItems(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes { ...Refunded } }
  } }
}"""
    + _REFUNDED,
    cost_hint=20,
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

# Every document of this file and what it needs; a test holds them against Shopify's published schemas.
ORDER_DOCUMENTS = (
    READ_ORDERS,
    READ_ORDER_LINES,
    READ_ORDER_SHIPPING,
    READ_ORDER_METAFIELDS,
    READ_ORDER_TRANSACTIONS,
    READ_ORDER_REFUNDS,
    READ_REFUND_LINES,
)
ORDER_SCOPES = frozenset({"read_orders", "read_customers", "read_products"})
LINK_DOCUMENTS = (SET_METAFIELDS,)
LINK_SCOPES = frozenset({"write_orders"})
