"""The error answers of the simulated Heartland."""

from __future__ import annotations


class Rejection(Exception):
    """Becomes the error body `{error, message, details}`; `details` are messages by field."""

    def __init__(self, status: int, error: str, message: str, details: dict[str, list[str]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.details = details or {}


def invalid(field: str, problem: str) -> Rejection:
    """A validation error of one field; its status is set by the flag `validation_status`."""
    return Rejection(400, "validation_error", f"{field.replace('_', ' ').capitalize()} {problem}", {field: [problem]})


def bad_payment(problem: str) -> Rejection:
    return Rejection(400, "payment_error", f"Amount {problem}", {"amount": [problem]})


def bad_request(message: str) -> Rejection:
    return Rejection(400, "invalid_request", message)


def not_found() -> Rejection:
    return Rejection(404, "not_found", "The record does not exist")


def not_allowed() -> Rejection:
    return Rejection(405, "method_not_allowed", "This resource does not support this method")
