"""Why a webhook is not taken: one closed list, with the status and the sentence that the sender gets.

The sentence never repeats anything the sender sent: what is refused may be hostile, and answers end up in logs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """`name` is the `reason` of the metric and of the log line."""

    name: str
    status: int
    sentence: str


UNKNOWN_PATH = Reason("unknown_path", 404, "there is nothing here")
UNKNOWN_CONNECTION = Reason("unknown_connection", 404, "no such connection")
WRONG_METHOD = Reason("wrong_method", 405, "webhooks are sent with POST")
TOO_LARGE = Reason("too_large", 413, "the body is too large")
WRONG_CONTENT_TYPE = Reason("wrong_content_type", 415, "the content type must be application/json, not encoded")
MISSING_HEADER = Reason("missing_header", 400, "a header is missing")
REPEATED_HEADER = Reason("repeated_header", 400, "an X-Shopify header stands twice")
BAD_HEADER = Reason("bad_header", 400, "a header is too long or not plain text")
CUT_OFF = Reason("cut_off", 400, "the body ended early")
TOO_SLOW = Reason("too_slow", 408, "the body took too long")
# One answer for every way in which a sender fails to prove itself: what was wrong is none of its business.
BAD_SIGNATURE = Reason("bad_signature", 401, "the signature does not match")
WRONG_SHOP = Reason("wrong_shop", 401, BAD_SIGNATURE.sentence)
TOO_MANY = Reason("too_many_failures", 429, "too many signatures from this address did not match")
NOT_JSON = Reason("not_json", 400, "the body is not strict JSON")
BAD_ID = Reason("bad_id", 400, "the id is missing or not a whole number of up to 19 digits")
UNKNOWN_TOPIC = Reason("unknown_topic", 422, "this topic is not handled here")
BROKER_DOWN = Reason("broker_down", 503, "it cannot be stored now, send it again later")
OVERLOADED = Reason("overloaded", 503, "too much is waiting to be stored, send it again later")

REASONS = (
    UNKNOWN_PATH, UNKNOWN_CONNECTION, WRONG_METHOD, TOO_LARGE, WRONG_CONTENT_TYPE, MISSING_HEADER, REPEATED_HEADER,
    BAD_HEADER, CUT_OFF, TOO_SLOW, BAD_SIGNATURE, WRONG_SHOP, TOO_MANY, NOT_JSON, BAD_ID, UNKNOWN_TOPIC, BROKER_DOWN,
    OVERLOADED,
)  # fmt: skip


class Refused(Exception):
    """The webhook is not taken. `detail` completes the sentence with words of ours."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.detail = detail

    @property
    def sentence(self) -> str:
        return f"{self.reason.sentence}: {self.detail}" if self.detail else self.reason.sentence
