"""The errors for requests that Heartland refused: 4xx except 401, 403 and 429.

Every status is mapped in transport.py; all other errors are in `shared.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import Rejected

Details = Mapping[str, tuple[str, ...]]


class Refused(Rejected):
    """Heartland refused the request: nothing was applied.

    `code` is Heartland's own (`validation_error`, `payment_error`, `invalid_request`, ...) or `http_<status>`;
    `details` has its messages by field.
    """

    def __init__(self, reason: str, *, code: str, status: int, details: Details | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.status = status
        self.details: Details = details or {}

    def names(self, field: str) -> bool:
        """Whether this field was refused."""
        return field in self.details


class NotFound(Refused):
    """There is no such record, or the token's user may not see it."""


def refusal(operation: str, status: int, answer: object) -> Refused:
    """The error of a 4xx: `{error, message, details}`, or on some accounts `{errors: {field: [..]}}`."""
    body: Mapping[str, object] = answer if isinstance(answer, Mapping) else {}
    details = _details(body.get("details") or body.get("errors"))
    code = str(body.get("error") or ("validation_error" if details else f"http_{status}"))
    message = str(body.get("message") or code)
    fields = "".join(f"; {field} {', '.join(texts)}" for field, texts in details.items())
    kind = NotFound if status == 404 else Refused
    return kind(f"Heartland refused {operation}: {message}{fields}", code=code, status=status, details=details)


def _details(value: object) -> dict[str, tuple[str, ...]]:
    # It is not documented whether a field has one text or a list of texts: both are read.
    if not isinstance(value, Mapping):
        return {}
    return {
        str(field): tuple(map(str, texts)) if isinstance(texts, list) else (str(texts),)
        for field, texts in value.items()
    }
