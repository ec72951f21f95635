"""The simulated Heartland REST API."""

from __future__ import annotations

from aiohttp import web

from services.sandbox.heartland import control
from services.sandbox.heartland.account import Heartland
from services.sandbox.heartland.middleware import PREFIX, RestApi
from services.sandbox.world import World


def routes(world: World) -> list[web.RouteDef]:
    """The REST API below /api/ and the control API; sets `world.heartland` to the account."""
    account = world.part(Heartland, Heartland)
    world.heartland = account
    return [web.route("*", PREFIX + "{path:.*}", RestApi(account).answer), *control.routes(account)]


def reset(world: World) -> None:
    """Restores the initial state."""
    world.part(Heartland, Heartland).reset()
