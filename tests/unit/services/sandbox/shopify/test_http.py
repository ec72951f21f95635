"""The shop over HTTP: tokens, versions, bad requests, the control API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.sandbox import Sandbox, open_sandbox
from tests.unit.services.sandbox.shopify.builders import an_order
from tests.unit.services.sandbox.shopify.conftest import SleepingClock

GRANT = {"client_id": "sandbox-client-id", "client_secret": "sandbox-client-secret", "grant_type": "client_credentials"}
TOKEN = "fixed"
PATH = "/admin/api/2026-10/graphql.json"


@pytest.fixture
async def sandbox(clock: SleepingClock) -> AsyncIterator[Sandbox]:
    async with open_sandbox(clock=clock, sandbox_access_token=TOKEN) as found:
        yield found


async def call(sandbox: Sandbox, query: Any, token: str = TOKEN, path: str = PATH) -> tuple[int, Any, Any]:
    headers = {"X-Shopify-Access-Token": token} if token else {}
    body = {"query": query} if isinstance(query, str) else query
    async with sandbox.session.post(sandbox.url + path, json=body, headers=headers) as response:
        return response.status, await response.json(), response.headers


async def grant(sandbox: Sandbox, **changes: str) -> tuple[int, Any]:
    async with sandbox.session.post(f"{sandbox.url}/admin/oauth/access_token", json={**GRANT, **changes}) as response:
        return response.status, await response.json()


async def test_client_credentials_give_a_token_for_a_day(sandbox: Sandbox, clock: SleepingClock) -> None:
    status, body = await grant(sandbox)

    assert (status, body["expires_in"]) == (200, 86399)
    assert "read_orders" in body["scope"]
    assert (await call(sandbox, "{ shop { name } }", body["access_token"]))[0] == 200
    clock.advance(86_400)
    assert (await call(sandbox, "{ shop { name } }", body["access_token"]))[0] == 401


async def test_credentials_may_be_sent_as_a_form(sandbox: Sandbox) -> None:
    async with sandbox.session.post(f"{sandbox.url}/admin/oauth/access_token", data=GRANT) as response:
        assert response.status == 200


async def test_wrong_credentials(sandbox: Sandbox) -> None:
    status, body = await grant(sandbox, client_secret="other")

    assert (status, body["error"]) == (401, "invalid_client")
    assert (await grant(sandbox, grant_type="password"))[0] == 400


@pytest.mark.parametrize("token", ["", "other"], ids=["none", "wrong"])
async def test_without_a_token_nothing_is_answered(sandbox: Sandbox, token: str) -> None:
    status, body, _ = await call(sandbox, "{ shop { name } }", token)

    assert status == 401
    assert "Invalid API key or access token" in body["errors"]


async def test_revoked_tokens_are_rejected(sandbox: Sandbox) -> None:
    _, body = await grant(sandbox)
    await sandbox.control("POST", "/shopify/revoke_tokens")

    assert (await call(sandbox, "{ shop { name } }", body["access_token"]))[0] == 401


@pytest.mark.parametrize(
    ("asked", "status", "served"),
    [("2026-10", 200, "2026-10"), ("2026-07", 200, "2026-07"), ("2024-01", 200, "2026-07"), ("2031-01", 404, None)],
)
async def test_versions_fall_forward(sandbox: Sandbox, asked: str, status: int, served: str | None) -> None:
    found, _, headers = await call(sandbox, "{ shop { name } }", path=f"/admin/api/{asked}/graphql.json")

    assert found == status
    assert headers.get("X-Shopify-API-Version") == served


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ shop { nonsense } }", "undefinedField"),
        ("{ shop(a: 1) { name } }", "argumentNotAccepted"),
        ("{ order { id } }", "missingRequiredArguments"),
        ("{ shop }", "selectionMismatch"),
        ("query($x: Nonsense) { order(id: $x) { id } }", "undefinedType"),
        ("{ shop { name }", "BAD_REQUEST"),
        ({"query": "query($id: ID!) { order(id: $id) { id } }"}, "INVALID_VARIABLE"),
        ({"query": "query A { shop { name } } query B { shop { id } }"}, "BAD_REQUEST"),
    ],
)
async def test_graphql_errors_are_answered_with_200(sandbox: Sandbox, query: Any, code: str) -> None:
    status, body, _ = await call(sandbox, query)

    assert status == 200
    assert body["errors"][0]["extensions"]["code"] == code
    assert "data" not in body


@pytest.mark.parametrize("body", [b"nonsense", b"[]", b'{"variables": {}}'])
async def test_a_malformed_request_is_a_400(sandbox: Sandbox, body: bytes) -> None:
    headers = {"X-Shopify-Access-Token": TOKEN, "Content-Type": "application/json"}
    async with sandbox.session.post(sandbox.url + PATH, data=body, headers=headers) as response:
        assert response.status == 400


async def test_only_writes_are_journaled(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "/shopify/orders", an_order())
    await call(sandbox, "{ shop { name } }")
    await call(sandbox, 'mutation { tagsAdd(id: "gid://shopify/Order/5001", tags: ["x"]) { node { id } } }')

    (entry,) = await sandbox.journal("shopify")
    assert (entry["operation"], entry["path"], entry["status"]) == ("tagsAdd", PATH, 200)
    assert entry["response"]["data"]["tagsAdd"]["node"] == {"id": "gid://shopify/Order/5001"}


async def test_a_posted_order_makes_its_heartland_items(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "/shopify/orders", {"order": an_order()})

    found = await sandbox.heartland("GET", "items", params=[("query", "SKU-1")])

    assert [item["public_id"] for item in found.body["results"]] == ["SKU-1"]


async def test_items_can_be_left_out(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "/shopify/orders?items=false", an_order())
    await sandbox.control("POST", "/shopify/orders", {**an_order(id=5002), "items": False})

    assert (await sandbox.heartland("GET", "items")).body["results"] == []


@pytest.mark.parametrize("number", [None, 9_000_000_000_000_000_001])
async def test_the_answer_names_the_order(sandbox: Sandbox, number: int | None) -> None:
    order = an_order(id=number)

    answer = await sandbox.control("POST", "/shopify/orders", order)

    assert answer["name"] == "#1001"
    assert answer["gid"] == f"gid://shopify/Order/{answer['id']}"
    assert answer["webhook"]["topics"] == ["orders/create", "orders/paid"]


async def test_topics_say_what_changed(sandbox: Sandbox) -> None:
    pending = an_order(financial_status="pending", total_outstanding="26.60")
    topics = []
    for order in (pending, {**pending, "note": "x"}, an_order(), an_order(cancelled_at="2026-11-20T05:00:00-05:00")):
        topics.append((await sandbox.control("POST", "/shopify/orders", order))["webhook"]["topics"])

    assert topics == [
        ["orders/create"],
        ["orders/updated"],
        ["orders/updated", "orders/paid"],
        ["orders/updated", "orders/cancelled"],
    ]


@pytest.mark.parametrize("body", [[], "x", {"id": "abc"}, {"line_items": [{"quantity": "many", "id": "?"}]}])
async def test_an_invalid_order_is_rejected(sandbox: Sandbox, body: Any) -> None:
    async with sandbox.session.post(f"{sandbox.url}/_sandbox/shopify/orders", json=body) as response:
        assert response.status == 400
        assert "error" in await response.json()


async def test_staff_changes_an_order_through_the_control_api(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "/shopify/orders", an_order(financial_status="pending", total_outstanding="26.60"))

    paid = await sandbox.control("POST", "/shopify/orders/5001/pay", {"amount": "6.60", "gateway": "cash"})
    await sandbox.control("POST", "/shopify/orders/5001/edit", {"remove": [{"sku": "SKU-1", "quantity": 1}]})
    held = await sandbox.control("POST", "/shopify/orders/5001/hold", {"reason": "AWAITING_PAYMENT"})
    await sandbox.control("POST", "/shopify/orders/5001/hold", {"reason": None})
    await sandbox.control("POST", "/shopify/orders/5001/cancel", {"reason": "inventory", "refund": True})
    state = await sandbox.control("GET", "/shopify/orders/5001")

    assert paid["financial_status"] == "partially_paid"
    assert held["fulfillment_orders"][0]["status"] == "ON_HOLD"
    assert state["order"]["cancel_reason"] == "inventory"
    assert [row["kind"] for row in state["transactions"]] == ["sale", "refund"]


async def test_a_change_may_set_the_note_and_answers_with_its_webhook_ids(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "/shopify/orders", an_order(financial_status="pending", total_outstanding="26.60"))
    await sandbox.control("POST", "/shopify/webhook_url", {"url": "http://127.0.0.1:9"})

    paid = await sandbox.control("POST", "/shopify/orders/5001/pay", {"note": "seq 2", "note_attributes": []})
    async with sandbox.session.post(
        f"{sandbox.url}/_sandbox/shopify/orders/5001/pay", json={"note": "seq 3"}
    ) as second:
        assert second.status == 409
    deliveries = (await sandbox.control("GET", "/shopify/deliveries"))["deliveries"]
    state = await sandbox.control("GET", "/shopify/orders/5001")

    assert paid["webhook"]["ids"] == [row["webhook_id"] for row in deliveries]
    assert [row["topic"] for row in deliveries] == ["orders/paid", "orders/updated"]
    assert state["order"]["note"] == "seq 2"


async def test_an_invalid_change_is_a_conflict(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "/shopify/orders", an_order())

    async with sandbox.session.post(f"{sandbox.url}/_sandbox/shopify/orders/5001/pay") as response:
        assert response.status == 409
    async with sandbox.session.get(f"{sandbox.url}/_sandbox/shopify/orders/404") as response:
        assert response.status == 404


async def test_options_take_effect_at_once_until_a_reset(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "/shopify/options", {"unknown_enums": True, "plan": "plus"})
    await sandbox.control("POST", "/shopify/orders", an_order())
    query = '{ order(id: "gid://shopify/Order/5001") { displayFinancialStatus } }'
    _, body, _ = await call(sandbox, query)

    assert body["data"]["order"] == {"displayFinancialStatus": "SOMETHING_NEW"}
    assert body["extensions"]["cost"]["throttleStatus"]["restoreRate"] == 1000
    await sandbox.reset()
    _, body, _ = await call(sandbox, "{ shop { name } }")
    assert body["extensions"]["cost"]["throttleStatus"]["restoreRate"] == 100
    async with sandbox.session.post(f"{sandbox.url}/_sandbox/shopify/options", json={"no_such": 1}) as response:
        assert response.status == 400


async def test_a_reset_deletes_orders_and_keeps_the_webhook_url(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "/shopify/webhook_url", {"url": "http://127.0.0.1:9"})
    await sandbox.control("POST", "/shopify/orders?webhook=false", an_order())

    await sandbox.reset()

    assert (await sandbox.control("GET", "/shopify/orders")) == {"orders": [], "total": 0}
    assert (await sandbox.control("GET", "/shopify/deliveries")) == {"deliveries": []}
    answer = await sandbox.control("POST", "/shopify/orders", an_order())
    assert len(answer["webhook"]["ids"]) == 2


async def test_locations_can_be_added(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "/shopify/locations", {"id": 7, "name": "Airport"})

    _, body, _ = await call(sandbox, "{ locations(first: 5) { nodes { name } } }")

    assert [node["name"] for node in body["data"]["locations"]["nodes"]] == ["Airport", "Main Street", "Warehouse"]
