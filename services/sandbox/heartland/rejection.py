"""The one way in which the imitated Heartland says no."""

from __future__ import annotations


class Refused(Exception):
    """Becomes the error body `{error, message, details}`; `details` lists sentences by field."""

    def __init__(self, status: int, error: str, message: str, details: dict[str, list[str]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.details = details or {}


def invalid(field: str, problem: str) -> Refused:
    """A record that cannot be saved because of one field; the status is put in by the dispatcher's switch."""
    return Refused(400, "validation_error", f"{field.replace('_', ' ').capitalize()} {problem}", {field: [problem]})


def bad_payment(problem: str) -> Refused:
    return Refused(400, "payment_error", f"Amount {problem}", {"amount": [problem]})


def bad_request(message: str) -> Refused:
    return Refused(400, "invalid_request", message)


def not_found() -> Refused:
    return Refused(404, "not_found", "The record does not exist")


def not_allowed() -> Refused:
    return Refused(405, "method_not_allowed", "This resource cannot do that")
