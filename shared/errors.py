"""Errors, by what is to be done: retry later, reject, ask a person, stop.

Only the consumer's error policy acts on them. A vendor's client maps each answer to one of them; status codes are used
nowhere else.
"""

from __future__ import annotations


class IntegrationError(Exception):
    """Base of all errors that the product raises. `reason` is a sentence that an operator can act upon."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RetryLater(IntegrationError):
    """The event may succeed later; the cause is the event's own. Counts as an attempt.

    `after` is the earliest sensible wait in seconds, None to leave it to the schedule.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class TargetDown(RetryLater):
    """The target fails as a whole (refused, 5xx, 401, 429): no attempt is counted.

    `target` names the vendor that is down (`heartland`, `shopify`): records that wait for it may wait in the database.
    Empty for our own database and broker, and for a wait that is no outage. `answered`: it did answer, with a failure
    (a 5xx, a page of HTML), so the cause may be this one record; `well_at` is then when it last answered another record
    well, on the monotonic clock.
    """

    def __init__(self, reason: str, after: float | None = None, *, target: str = "", answered: bool = False) -> None:
        super().__init__(reason, after)
        self.target = target
        self.answered = answered
        self.well_at: float | None = None


class CredentialsRefused(TargetDown):
    """The target does not accept our credentials, not even fresh ones: a person must act."""


class OutcomeUnknown(TargetDown):
    """A write was sent and no answer can be trusted (timeout, reset, 5xx): it may have been applied.

    The caller must look the record up before it sends the write again.
    """


class Waiting(IntegrationError):
    """The event needs a record that does not exist yet, e.g. `item:TEE-NVY-M`: park the key until it does."""

    def __init__(self, reason: str, waits_for: str) -> None:
        super().__init__(reason)
        self.waits_for = waits_for


class NeedsReview(IntegrationError):
    """A person must decide or do something by hand; nothing is written until then.

    `kind` groups reviews (`order_unbalanced`), `advice` says what to do, `details` shows the figures.
    """

    def __init__(self, reason: str, *, kind: str, advice: str, details: dict[str, object] | None = None) -> None:
        super().__init__(reason)
        self.kind = kind
        self.advice = advice
        self.details = details or {}


class Rejected(IntegrationError):
    """The event can never succeed: it becomes a dead letter with its reason."""


class Fenced(IntegrationError):
    """Another process owns the key's partition by now: this one's state is stale, and it must not write."""


class Misconfigured(IntegrationError):
    """A bad secret, a missing topic, a wrong setting: the service stops with a readable last line."""
