"""Logging: one JSON object per line, from our own loggers and from libraries.

The fields that services write, each the same everywhere:

    service     who writes the line
    trace_id    the event's trace, 32 hex digits: the same through all services
    connection  the pair of accounts it belongs to
    entity      order, fulfilment, ...
    key         the aggregate's id at its source
    error       what went wrong, as a sentence

No bodies and no personal data. Names and addresses are kept out where lines are written; what slips through in other
text (an e-mail address in a vendor's message, a token) is masked here.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import FilteringBoundLogger, Processor

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

# Values of these fields are never written, whatever they hold.
_SECRET_FIELDS = frozenset(
    {"password", "secret", "secret_key", "token", "access_token", "api_token", "client_secret", "authorization",
     "credentials", "body", "email", "phone", "address"}
)  # fmt: skip
_PERSONAL = re.compile(
    r"(?P<email>[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)"
    r"|(?P<token>\bshp(?:at|ca|pa|ss|ua|rt)_[0-9a-zA-Z]+|\bBearer\s+\S+)"
    r"|(?P<login>(?<=://)[^\s/@]+@)"
)
_MAX_TEXT = 2_000
# Of a traceback: where it began, and above all what it ended with.
_TRACEBACK_HEAD, _TRACEBACK_TAIL = 1_000, 5_000
# Libraries that tell each reconnect and each rebalance on `info`.
_TALKATIVE = ("aiokafka", "kafka", "aiohttp.access", "asyncio")
# While a server is away, a client library tells of each attempt: some seventy lines a second of every service.
_LIBRARY_SECONDS = 10.0
_MOST_TEMPLATES = 500


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send all logs of this process to `stream` (stderr), from `level` on.

    Raises KeyError for an unknown level.
    """
    number = LEVELS[level.lower()]
    target = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *_common(),
            structlog.processors.format_exc_info,
            *_last(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    _configure_libraries(number, target)


def get_logger(service: str) -> FilteringBoundLogger:
    """The logger of one service."""
    logger: FilteringBoundLogger = structlog.get_logger().bind(service=service)
    return logger


def masked(text: str) -> str:
    """`text` without e-mail addresses and tokens, cut where it is longer than a log line should be."""
    return _hidden(text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}... ({len(text)} characters)")


def _traceback(text: str) -> str:
    if len(text) <= _TRACEBACK_HEAD + _TRACEBACK_TAIL:
        return _hidden(text)
    # Hidden before it is cut: the second half of a token is not seen to be one.
    tail = _hidden(text[-2 * _TRACEBACK_TAIL :])[-_TRACEBACK_TAIL:]
    return f"{_hidden(text[:_TRACEBACK_HEAD])}\n... ({len(text)} characters) ...\n{tail}"


def _hidden(text: str) -> str:
    return _PERSONAL.sub(lambda found: f"<{found.lastgroup}>", text)


def _configure_libraries(number: int, target: TextIO) -> None:
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_common(), structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *_last(),
            ],
        )
    )
    handler.addFilter(Rarely())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(number)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


class Rarely(logging.Filter):
    """Limits a library's message to one in ten seconds; the next one says how many were suppressed."""

    def __init__(self) -> None:
        super().__init__()
        self._since: dict[tuple[str, str], float] = {}
        self._left_out: dict[tuple[str, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        said = (record.name, str(record.msg))
        if record.created - self._since.get(said, 0.0) < _LIBRARY_SECONDS:
            self._left_out[said] = self._left_out.get(said, 0) + 1
            return False
        if len(self._since) >= _MOST_TEMPLATES:
            self._since.clear()
            self._left_out.clear()
        self._since[said] = record.created
        if count := self._left_out.pop(said, 0):
            record.msg = f"{record.msg} ({count} more before it)"
        return True


def _common() -> list[Processor]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.UnicodeDecoder(),
    ]


def _last() -> list[Processor]:
    return [_mask, structlog.processors.JSONRenderer(serializer=_json)]


def _mask(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name in _SECRET_FIELDS:
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = _traceback(value) if name == "exception" else masked(value)
    return event


def _json(event: object, **_options: object) -> str:
    return orjson.dumps(event, default=lambda value: masked(str(value)), option=orjson.OPT_NON_STR_KEYS).decode()
