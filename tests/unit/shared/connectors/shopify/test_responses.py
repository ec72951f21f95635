"""Three layers of refusal become our errors; nothing that is no answer passes for one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.connectors.shopify import responses
from shared.connectors.shopify.document import Document
from shared.connectors.shopify.errors import QueryTooLarge, UserErrors, accepted
from shared.connectors.shopify.responses import Throttled
from shared.entities.order.shopify.documents import READ_ORDERS
from shared.errors import CredentialsRefused, IntegrationError, OutcomeUnknown, Rejected, RetryLater, TargetDown

SHIP = Document("Ship", "mutation Ship { x }")


def reply(code: str, data: object = None, path: list[object] | None = None) -> dict[str, Any]:
    return {"data": data, "errors": [{"message": "no", "path": path, "extensions": {"code": code}}]}


@pytest.mark.parametrize("status", [301, 302, 402, 403, 404, 423, 429, 430])
def test_a_shop_that_takes_no_calls_is_down_and_nothing_was_applied(status: int) -> None:
    error = responses.refused(SHIP, status, "7.5")

    assert type(error) is TargetDown
    assert error.after == 7.5


def test_a_refused_token_is_told_apart_from_an_outage() -> None:
    assert type(responses.refused(SHIP, 401, None)) is CredentialsRefused


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520, 100, 204])
def test_a_mutation_that_broke_on_the_way_may_have_been_applied(status: int) -> None:
    assert type(responses.refused(SHIP, status, None)) is OutcomeUnknown
    assert type(responses.refused(READ_ORDERS, status, None)) is TargetDown


def test_a_malformed_request_is_our_own_fault() -> None:
    assert type(responses.refused(SHIP, 400, None)) is Rejected


@pytest.mark.parametrize("header", ["soon", "", None, "-3"])
def test_a_retry_after_that_says_nothing_is_left_to_the_schedule(header: str | None) -> None:
    error = responses.refused(SHIP, 429, header)

    assert isinstance(error, RetryLater)
    assert error.after in (None, 0)


@pytest.mark.parametrize(("header", "seconds"), [("2.5", 2.5), ("86400", 3600.0), ("inf", 3600.0)])
def test_a_retry_after_is_kept_within_reason(header: str, seconds: float) -> None:
    error = responses.refused(SHIP, 429, header)

    assert isinstance(error, RetryLater)
    assert error.after == seconds


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("THROTTLED", Throttled),
        ("MAX_COST_EXCEEDED", QueryTooLarge),
        ("ACCESS_DENIED", TargetDown),
        ("SHOP_INACTIVE", TargetDown),
        ("INTERNAL_SERVER_ERROR", TargetDown),
        ("undefinedField", TargetDown),
        ("BAD_REQUEST", Rejected),
        ("", TargetDown),
    ],
)
def test_top_level_errors_of_a_query(code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        responses.data_of(READ_ORDERS, reply(code))

    assert type(caught.value) is kind


def test_an_internal_error_leaves_a_mutation_in_doubt() -> None:
    with pytest.raises(OutcomeUnknown):
        responses.data_of(SHIP, reply("INTERNAL_SERVER_ERROR"))


def test_withheld_personal_fields_are_no_error() -> None:
    data = {"nodes": [{"id": "gid://shopify/Order/1", "customer": None}]}

    assert responses.data_of(READ_ORDERS, reply("ACCESS_DENIED", data, ["nodes", 0, "customer"])) == data


def test_a_withheld_payment_is_an_error() -> None:
    data = {"nodes": [{"id": "gid://shopify/Order/1", "transactions": []}]}

    with pytest.raises(TargetDown, match="scope"):
        responses.data_of(READ_ORDERS, reply("ACCESS_DENIED", data, ["nodes", 0, "transactions"]))


def test_errors_may_be_a_plain_sentence() -> None:
    with pytest.raises(TargetDown, match="Invalid API key"):
        responses.data_of(READ_ORDERS, {"errors": "Invalid API key"})


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"[]", b"null", b'{"data":', b"\xff\xfe"])
def test_what_is_no_answer_is_none(body: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        responses.data_of(SHIP, responses.read(SHIP, body))


@pytest.mark.parametrize("body", [b"{}", b'{"data":null}', b'{"data":[]}', b'{"data":7,"errors":[]}'])
def test_an_answer_without_data_is_none(body: bytes) -> None:
    with pytest.raises(TargetDown):
        responses.data_of(READ_ORDERS, responses.read(READ_ORDERS, body))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["errors", "data", "extensions", "code", "cost", "path", "message"]), inner)
    ),
    max_leaves=10,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(json_values)
def test_no_reply_does_anything_but_answer_or_raise_ours(value: object) -> None:
    try:
        body = responses.read(READ_ORDERS, orjson.dumps(value))
        responses.cost_of(body)
        assert isinstance(responses.data_of(READ_ORDERS, body), dict)
    except (IntegrationError, Throttled):
        pass


def test_user_errors_say_what_was_refused_and_keep_their_codes() -> None:
    with pytest.raises(UserErrors, match="Ship: Tracking is wrong") as caught:
        accepted("Ship", {"userErrors": [{"field": ["f"], "message": "Tracking is wrong", "code": "INVALID"}]})

    assert caught.value.codes == {"INVALID"}
    assert accepted("Ship", {"userErrors": [], "id": 1})["id"] == 1


def test_a_mutation_that_returns_nothing_was_refused() -> None:
    with pytest.raises(UserErrors):
        accepted("Ship", None)


def test_a_shop_that_answers_with_a_failure_may_mean_one_record_alone() -> None:
    errors: list[IntegrationError] = [
        responses.refused(READ_ORDERS, 500, None),
        responses.refused(READ_ORDERS, 429, None),
    ]
    with pytest.raises(TargetDown) as failed:
        responses.data_of(READ_ORDERS, reply("INTERNAL_SERVER_ERROR"))
    errors += [failed.value, responses.uncertain(READ_ORDERS, "TimeoutError", answered=False)]

    assert [isinstance(error, TargetDown) and error.answered for error in errors] == [True, False, True, False]
