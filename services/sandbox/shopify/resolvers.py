"""The resolver of each field. Fields not listed are read from the record by their own name."""

from __future__ import annotations

from typing import Any, Final

from graphql import GraphQLObjectType, GraphQLSchema

from services.sandbox.shopify import app_views, catalog_views, fulfilment_views, line_views, order_views, payment_views
from services.sandbox.shopify import customer_views as people_views
from services.sandbox.shopify import root_fields as roots
from services.sandbox.shopify.executor import Resolver
from services.sandbox.shopify.metafields import HOLDER, METAFIELD

CONNECTION: Final[dict[str, Resolver]] = {
    "nodes": lambda page, _: page.nodes(),
    "edges": lambda page, _: page.edges(),
    "pageInfo": lambda page, _: page.info(),
}
TABLE: Final[dict[str, dict[str, Resolver]]] = {
    "QueryRoot": roots.ROOTS,
    "Mutation": roots.MUTATIONS,
    "Order": {**order_views.ORDER, "discountApplications": line_views.discount_applications, **HOLDER},
    "LineItem": line_views.LINE,
    "ShippingLine": line_views.SHIPPING_LINE,
    "OrderTransaction": payment_views.TRANSACTION,
    "Refund": payment_views.REFUND,
    "RefundLineItem": payment_views.REFUND_LINE,
    "RefundShippingLine": payment_views.REFUND_SHIPPING,
    "OrderAdjustment": payment_views.ADJUSTMENT,
    "FulfillmentOrder": fulfilment_views.FULFILMENT_ORDER,
    "FulfillmentOrderLineItem": fulfilment_views.FULFILMENT_ORDER_LINE,
    "Fulfillment": fulfilment_views.FULFILMENT,
    "FulfillmentLineItem": fulfilment_views.FULFILMENT_LINE,
    "Customer": people_views.CUSTOMER,
    "Location": app_views.LOCATION,
    "Product": catalog_views.PRODUCT,
    "ProductVariant": catalog_views.VARIANT,
    "InventoryItem": catalog_views.INVENTORY_ITEM,
    "Metafield": METAFIELD,
    "Shop": app_views.SHOP,
    "AppInstallation": app_views.INSTALLATION,
    "WebhookSubscription": app_views.SUBSCRIPTION,
}


def table(schema: GraphQLSchema) -> dict[str, dict[str, Any]]:
    """The table, with the common resolvers of all connections added."""
    connections = (
        name
        for name, kind in schema.type_map.items()
        if isinstance(kind, GraphQLObjectType) and name.endswith("Connection")
    )
    return {**TABLE, **dict.fromkeys(connections, CONNECTION)}
