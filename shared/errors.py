"""What went wrong, said as what to do next: later, never, a person, stop.

Only the consumer loop acts on these. A client turns a vendor's answer into one of them; nobody else
looks at status codes.
"""

from __future__ import annotations


class IntegrationError(Exception):
    """Root of everything we raise on purpose. `reason` is a sentence a shop's person can act upon."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RetryLater(IntegrationError):
    """This event may work later for a reason of its own. Counts as an attempt of the event.

    `after` is the earliest sensible wait in seconds, None to leave it to the schedule.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class TargetDown(RetryLater):
    """The other side fails as a whole (refused, 5xx, 401, 429): no attempt is counted.

    `target` names the vendor that is away (`heartland`, `shopify`): what waits for it may wait in the database. Empty
    for our own database and broker, and for a wait that is no outage. `answered`: it did answer, with a failure (a 5xx,
    a page of HTML), so that it may be this one record that it cannot stand; `well_at` is then when it last answered
    another record well, on the monotonic clock.
    """

    def __init__(self, reason: str, after: float | None = None, *, target: str = "", answered: bool = False) -> None:
        super().__init__(reason, after)
        self.target = target
        self.answered = answered
        self.well_at: float | None = None


class CredentialsRefused(TargetDown):
    """The other side does not accept our credentials, fresh ones included: a person must act."""


class OutcomeUnknown(TargetDown):
    """A write was sent and no answer can be trusted (timeout, reset, 5xx): it may have been applied.

    The caller must look the record up before it sends the write again.
    """


class Waiting(IntegrationError):
    """The event needs something named that is not there yet, e.g. `item:TEE-NVY-M`: park the key until it is."""

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
    """This message can never work: it goes to the dead letters with its reason."""


class Fenced(IntegrationError):
    """Another process owns the key's partition by now: what this one knows is old, and it must change nothing."""


class Misconfigured(IntegrationError):
    """A bad secret, a missing topic, a wrong setting: the service stops with a readable last line."""
