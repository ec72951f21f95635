"""Heartland's REST interface, imitated."""

from __future__ import annotations

from aiohttp import web

from services.sandbox.heartland import control
from services.sandbox.heartland.account import Heartland
from services.sandbox.heartland.middleware import PREFIX, Gate
from services.sandbox.world import World


def routes(world: World) -> list[web.RouteDef]:
    """The interface below /api/ and the control handles; `world.heartland` is the account from now on."""
    account = world.part(Heartland, Heartland)
    world.heartland = account
    return [web.route("*", PREFIX + "{path:.*}", Gate(account).answer), *control.routes(account)]


def reset(world: World) -> None:
    """Back to the first day."""
    world.part(Heartland, Heartland).reset()
