"""The error policy: what an error means for the record that met it. Pure; `error_handling` applies it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from shared.errors import NeedsReview, Rejected, RetryLater, TargetDown, Waiting


class Policy(Enum):
    AGAIN = "again"  # the same record in its lane, after a rest
    PARK = "park"  # the key into the database; other keys flow
    REVIEW = "review"  # a person decides; the record is done
    DEAD_LETTER = "dead_letter"  # the record is done
    STOP = "stop"  # the service ends without a commit


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """`label` is the metric's reason; `after` the earliest sensible wait in seconds.

    `counts`: uses up an attempt.

    `outage` names the vendor that is away as a whole, empty for any other trouble.
    """

    verdict: Policy
    label: str = ""
    after: float = 0.0
    counts: bool = False
    outage: str = ""


def decide(
    error: Exception, *, attempts: int, lane_attempts: int, longest_rest: float, is_own: bool = False
) -> PolicyDecision:
    """What to do about an error at the record's `attempts`th try (this one included).

    `is_own`: the target fails this record alone, and long enough; that is the record's trouble, not the target's.
    A wait above `longest_rest` seconds is not sat out in a lane, where it would hold the watermark.
    """
    match error:
        case TargetDown() if not is_own:
            return PolicyDecision(Policy.AGAIN, "target_down", error.after or 0.0, outage=error.target)
        case RetryLater():
            after = error.after or 0.0
            used_up = is_own or attempts >= lane_attempts or after > longest_rest
            return PolicyDecision(Policy.PARK if used_up else Policy.AGAIN, "retry", after, counts=True)
        case Waiting():
            return PolicyDecision(Policy.PARK, "waiting")
        case NeedsReview():
            return PolicyDecision(Policy.REVIEW, "review")
        case Rejected():
            return PolicyDecision(Policy.DEAD_LETTER, "rejected")
        case _:
            return PolicyDecision(Policy.STOP)
