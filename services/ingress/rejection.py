"""Rejections: the closed list of reasons, each with its HTTP status and the sentence in the response.

The sentence never repeats what the sender sent: the input may be hostile, and responses end up in logs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rejection:
    """One reason to reject a webhook. `name` is the `reason` label of the metric and of the log line."""

    name: str
    status: int
    sentence: str


UNKNOWN_PATH = Rejection(
    "unknown_path", 404, "there is no such path: webhooks are sent to /webhooks/shopify/... or /webhooks/heartland/..."
)
UNKNOWN_CONNECTION = Rejection("unknown_connection", 404, "there is no such connection")
WRONG_METHOD = Rejection("wrong_method", 405, "webhooks are sent with POST")
TOO_LARGE = Rejection("too_large", 413, "the body is too large")
WRONG_CONTENT_TYPE = Rejection("wrong_content_type", 415, "the content type must be application/json, not encoded")
MISSING_HEADER = Rejection("missing_header", 400, "a header is missing")
REPEATED_HEADER = Rejection("repeated_header", 400, "an X-Shopify header is repeated")
BAD_HEADER = Rejection("bad_header", 400, "a header is too long or not plain text")
CUT_OFF = Rejection("cut_off", 400, "the body ended early")
TOO_SLOW = Rejection("too_slow", 408, "the body took too long")
# One response for every failed authentication: it must not tell a forger what was wrong.
BAD_SIGNATURE = Rejection("bad_signature", 401, "the signature does not match")
WRONG_SHOP = Rejection("wrong_shop", 401, BAD_SIGNATURE.sentence)
TOO_MANY = Rejection("too_many_failures", 429, "too many signatures from this address did not match")
NOT_JSON = Rejection("not_json", 400, "the body is not strict JSON")
BAD_ID = Rejection("bad_id", 400, "the id is missing or not a whole number of up to 19 digits")
UNKNOWN_TOPIC = Rejection("unknown_topic", 422, "this topic is not handled here")
BROKER_DOWN = Rejection("broker_down", 503, "the webhook cannot be stored now, send it again later")
OVERLOADED = Rejection("overloaded", 503, "too many webhooks are waiting to be stored, send it again later")

REJECTIONS = (
    UNKNOWN_PATH, UNKNOWN_CONNECTION, WRONG_METHOD, TOO_LARGE, WRONG_CONTENT_TYPE, MISSING_HEADER, REPEATED_HEADER,
    BAD_HEADER, CUT_OFF, TOO_SLOW, BAD_SIGNATURE, WRONG_SHOP, TOO_MANY, NOT_JSON, BAD_ID, UNKNOWN_TOPIC, BROKER_DOWN,
    OVERLOADED,
)  # fmt: skip


class WebhookRejected(Exception):
    """The webhook is rejected. `detail` is appended to the sentence and never contains input."""

    def __init__(self, reason: Rejection, detail: str = "") -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.detail = detail

    @property
    def sentence(self) -> str:
        return f"{self.reason.sentence}: {self.detail}" if self.detail else self.reason.sentence
