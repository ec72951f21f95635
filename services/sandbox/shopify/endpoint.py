"""The HTTP endpoints for Admin GraphQL and access tokens."""

from __future__ import annotations

from typing import Any, Final

import orjson
from aiohttp import web
from graphql import ExecutionResult, GraphQLSchema, execute_sync
from graphql.execution.values import get_variable_values

from services.sandbox.shopify import cost, graphql_errors
from services.sandbox.shopify.documents import Documents, Operation, load_schema, variables_of
from services.sandbox.shopify.executor import Context, PlanExecutor, resolve_field, resolve_type
from services.sandbox.shopify.money import Json
from services.sandbox.shopify.resolvers import table
from services.sandbox.shopify.shop import Shop
from services.sandbox.shopify.tokens import STATED_SECONDS
from services.sandbox.shopify.versions import served

UNAUTHORIZED: Final = "[API] Invalid API key or access token (unrecognized login or wrong password)"


class Endpoint:
    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._schema: GraphQLSchema = load_schema()
        self._documents = Documents(self._schema)
        self._resolvers = table(self._schema)

    async def token(self, request: web.Request) -> web.Response:
        """Grants a token for client credentials, sent as JSON or as a form."""
        body = await _fields(request)
        if body.get("grant_type") != "client_credentials":
            return answer({"error": "unsupported_grant_type", "error_description": "unknown grant type"}, 400)
        token = self._shop.tokens.grant(str(body.get("client_id")), str(body.get("client_secret")))
        if token is None:
            return answer({"error": "invalid_client", "error_description": "The client is not known"}, 401)
        scope = ",".join(self._shop.options.granted)
        return answer({"access_token": token, "scope": scope, "expires_in": STATED_SECONDS})

    async def graphql(self, request: web.Request) -> web.Response:
        version = served(request.match_info["version"])
        if version is None:
            return answer({"errors": "Not Found"}, 404)
        headers = {"X-Shopify-API-Version": version}
        if not self._shop.tokens.is_valid(request.headers.get("X-Shopify-Access-Token", "")):
            return answer({"errors": UNAUTHORIZED}, 401, headers)
        raw = await request.read()
        body = _parsed(raw, request.content_type)
        if body is None:
            return answer({"errors": {"query": "Required parameter missing or invalid"}}, 400, headers)
        result, written = self.run(body)
        if written:
            self._shop.world.journal.add("shopify", written, "POST", request.path, raw, 200, orjson.dumps(result))
        return answer(result, 200, headers)

    def run(self, body: Json) -> tuple[Json, str]:
        """The answer to a query or mutation, and the names of the executed mutations ('' if none)."""
        operation = self._documents.operation(body["query"], body.get("operationName"))
        if isinstance(operation, list):
            return {"errors": graphql_errors.static(operation)}, ""
        result = self._run(operation, variables_of(body), body)
        return result, ",".join(operation.fields) if operation.is_mutation and "data" in result else ""

    def _run(self, operation: Operation, variables: Json, body: Json) -> Json:
        values = get_variable_values(self._schema, operation.node.variable_definitions or (), variables)
        if isinstance(values, list):
            return {"errors": graphql_errors.of_variables(values)}
        factor = cost.FACTORS.get(self._shop.options.cost_model, cost.by_logarithm)
        worst = max(1.0, cost.requested(operation.cost_items, {**_defaults(operation), **variables}, factor))
        bucket = self._shop.bucket
        if worst > cost.MOST and not operation.is_mutation and not bucket.is_unlimited:
            return self._refused("Query cost is too high", "MAX_COST_EXCEEDED", worst, cost=worst, maxCost=cost.MOST)
        if not bucket.take(worst):
            return self._refused("Throttled", "THROTTLED", worst)
        result = self._execute(operation, variables, body)
        spent = max(1.0, cost.actual(operation.cost_items, result.data, factor))
        bucket.give_back(worst - spent)
        answered: Json = {"data": result.data, "extensions": {"cost": self._cost(worst, spent)}}
        if result.errors:
            answered["errors"] = graphql_errors.of_execution(result.errors)
        return answered

    def _execute(self, operation: Operation, variables: Json, body: Json) -> ExecutionResult:
        shop = self._shop
        shop.read_lag = shop.world.faults.read_lag("shopify", ",".join(operation.fields)) if shop.world.faults else 0.0
        context = Context(shop, self._resolvers)
        return execute_sync(
            self._schema,
            operation.document,
            root_value=context,
            context_value=context,
            variable_values=variables,
            operation_name=body.get("operationName"),
            field_resolver=resolve_field,
            type_resolver=resolve_type,
            executor_class=PlanExecutor,
        )

    def _refused(self, message: str, code: str, worst: float, **more: object) -> Json:
        error = {"message": message, "extensions": {"code": code, **more}}
        return {"errors": [error], "extensions": {"cost": self._cost(worst, None)}}

    def _cost(self, worst: float, spent: float | None) -> Json:
        return {
            "requestedQueryCost": round(worst),
            "actualQueryCost": None if spent is None else round(spent),
            "throttleStatus": self._shop.bucket.status(),
        }


def _defaults(operation: Operation) -> Json:
    """Integer defaults of variables, such as page sizes."""
    found = {}
    for definition in operation.node.variable_definitions or ():
        value = getattr(definition.default_value, "value", None)
        if isinstance(value, str) and value.isdigit():
            found[definition.variable.name.value] = int(value)
    return found


def _parsed(raw: bytes, content_type: str) -> Json | None:
    if content_type == "application/graphql":
        return {"query": raw.decode("utf-8", "replace")}
    try:
        body: Any = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return body if isinstance(body, dict) and isinstance(body.get("query"), str) else None


async def _fields(request: web.Request) -> Json:
    if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return dict(await request.post())
    try:
        body: Any = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")
