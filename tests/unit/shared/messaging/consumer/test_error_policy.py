from __future__ import annotations

import pytest

from shared.errors import (
    CredentialsRefused,
    Fenced,
    Misconfigured,
    NeedsReview,
    OutcomeUnknown,
    Rejected,
    RetryLater,
    TargetDown,
    Waiting,
)
from shared.messaging.consumer.error_policy import Policy, PolicyDecision, decide


@pytest.mark.parametrize(
    ("error", "attempts", "expected"),
    [
        pytest.param(
            TargetDown("x"), 99, PolicyDecision(Policy.AGAIN, "target_down"), id="an outage is sat out for ever"
        ),
        pytest.param(
            TargetDown("x", after=7), 1, PolicyDecision(Policy.AGAIN, "target_down", 7.0), id="as long as it asks for"
        ),
        pytest.param(
            OutcomeUnknown("x"), 9, PolicyDecision(Policy.AGAIN, "target_down"), id="so is an unknown outcome"
        ),
        pytest.param(
            CredentialsRefused("x", target="heartland"),
            9,
            PolicyDecision(Policy.AGAIN, "target_down", outage="heartland"),
            id="refused credentials are an outage",
        ),
        pytest.param(
            RetryLater("x"), 2, PolicyDecision(Policy.AGAIN, "retry", counts=True), id="an own reason gets a few tries"
        ),
        pytest.param(RetryLater("x"), 3, PolicyDecision(Policy.PARK, "retry", counts=True), id="then it is parked"),
        pytest.param(
            RetryLater("x", after=31),
            1,
            PolicyDecision(Policy.PARK, "retry", 31.0, counts=True),
            id="a long wait is not sat out in a lane",
        ),
        pytest.param(Waiting("x", "item:1"), 1, PolicyDecision(Policy.PARK, "waiting"), id="waiting parks at once"),
        pytest.param(
            NeedsReview("x", kind="k", advice="a"), 1, PolicyDecision(Policy.REVIEW, "review"), id="a person decides"
        ),
        pytest.param(Rejected("x"), 1, PolicyDecision(Policy.DEAD_LETTER, "rejected"), id="never is never"),
        pytest.param(Misconfigured("x"), 1, PolicyDecision(Policy.STOP), id="a wrong setting stops the service"),
        pytest.param(Fenced("x"), 1, PolicyDecision(Policy.STOP), id="work of another process is given up"),
        pytest.param(KeyError("x"), 1, PolicyDecision(Policy.STOP), id="so does what nobody expected"),
    ],
)
def test_each_error_has_its_verdict(error: Exception, attempts: int, expected: PolicyDecision) -> None:
    assert decide(error, attempts=attempts, lane_attempts=3, longest_rest=30.0) == expected


def test_a_wait_as_long_as_the_longest_is_still_sat_out_in_the_lane() -> None:
    assert decide(RetryLater("x", after=30.0), attempts=1, lane_attempts=3, longest_rest=30.0).verdict is Policy.AGAIN


@pytest.mark.parametrize(
    "error", [TargetDown("x"), Waiting("x", "item:1"), NeedsReview("x", kind="k", advice="a"), Rejected("x")], ids=repr
)
def test_only_an_events_own_trouble_uses_up_an_attempt(error: Exception) -> None:
    assert decide(error, attempts=1, lane_attempts=3, longest_rest=30.0).counts is False


def test_a_target_that_fails_one_record_alone_is_that_records_trouble() -> None:
    error = TargetDown("HTTP 500", 7.0, target="shopify")

    own = decide(error, attempts=1, lane_attempts=3, longest_rest=30.0, is_own=True)

    assert own == PolicyDecision(Policy.PARK, "retry", 7.0, counts=True)
