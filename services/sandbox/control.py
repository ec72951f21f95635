"""The sandbox's control API for journal, faults and reset."""

from __future__ import annotations

import orjson
from aiohttp import web
from pydantic import ValidationError

from services.sandbox import heartland, shopify
from services.sandbox.world import World


def routes(world: World) -> list[web.RouteDef]:
    control = Control(world)
    return [
        web.get("/_sandbox/journal", control.read_journal),
        web.get("/_sandbox/faults", control.read_faults),
        web.post("/_sandbox/faults", control.replace_faults),
        web.delete("/_sandbox/faults", control.clear_faults),
        web.post("/_sandbox/reset", control.reset),
        web.get("/livez", control.live),
        web.get("/readyz", control.live),
    ]


class Control:
    def __init__(self, world: World) -> None:
        self._world = world

    async def read_journal(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            after, limit = int(query.get("after", "0")), int(query.get("limit", "0"))
        except ValueError:
            return bad_request_answer("after and limit must be whole numbers")
        lines = b",".join(self._world.journal.lines(query.get("system", ""), after, limit))
        body = b'{"entries":[' + lines + b'],"last":' + str(self._world.journal.last).encode() + b"}"
        return web.Response(body=body, content_type="application/json")

    async def read_faults(self, _: web.Request) -> web.Response:
        return answer({"faults": self._world.faults.report()})

    async def replace_faults(self, request: web.Request) -> web.Response:
        try:
            self._world.faults.replace(orjson.loads(await request.read())["faults"])
        except ValidationError as error:
            return bad_request_answer(str(error))
        except (KeyError, TypeError, AttributeError, orjson.JSONDecodeError):
            return bad_request_answer('the body must be {"faults": [...]}')
        return await self.read_faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:
        self._world.faults.clear()
        return await self.read_faults(request)

    async def reset(self, _: web.Request) -> web.Response:
        await self._world.stop_tasks()
        self._world.faults.clear()
        self._world.journal.clear()
        heartland.reset(self._world)
        shopify.reset(self._world)
        return answer({"reset": True})

    async def live(self, _: web.Request) -> web.Response:
        return answer({"ok": True})


def answer(body: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def bad_request_answer(message: str) -> web.Response:
    return answer({"error": message}, 400)
