"""The simulated Shopify Admin GraphQL API and its webhooks."""

from __future__ import annotations

from aiohttp import web

from services.sandbox.shopify import shop
from services.sandbox.shopify.control import Control
from services.sandbox.shopify.endpoint import Endpoint
from services.sandbox.world import World


def routes(world: World) -> list[web.RouteDef]:
    """The routes of Shopify's own API, and of the control API below /_sandbox/shopify."""
    endpoint, control = Endpoint(shop.of(world)), Control(shop.of(world))
    own = "/_sandbox/shopify"
    return [
        web.post("/admin/oauth/access_token", endpoint.token),
        web.post("/admin/api/{version}/graphql.json", endpoint.graphql),
        web.post(f"{own}/orders", control.post_order),
        web.get(f"{own}/orders", control.list_orders),
        web.get(own + "/orders/{id}", control.get_order),
        web.post(own + "/orders/{id}/cancel", control.cancel),
        web.post(own + "/orders/{id}/edit", control.edit),
        web.post(own + "/orders/{id}/pay", control.pay),
        web.post(own + "/orders/{id}/hold", control.hold),
        web.get(f"{own}/deliveries", control.deliveries),
        web.post(f"{own}/webhook_url", control.webhook_url),
        web.get(f"{own}/subscriptions", control.subscriptions),
        web.delete(f"{own}/subscriptions", control.drop_subscriptions),
        web.post(f"{own}/locations", control.add_location),
        web.post(f"{own}/options", control.switch),
        web.post(f"{own}/revoke_tokens", control.revoke),
    ]


def reset(world: World) -> None:
    """Deletes orders, customers, products, subscriptions and deliveries."""
    shop.of(world).reset()
