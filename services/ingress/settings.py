"""Settings of ingress."""

from __future__ import annotations

from pydantic import Field

from shared.runtime.settings import Settings as Common


class Settings(Common):
    ingress_host: str = Field("127.0.0.1", description="Address on which webhooks are received")
    ingress_port: int = Field(8080, ge=0, description="Port on which webhooks are received; 0 for any free port")
    ingress_max_body_bytes: int = Field(
        8 * 1024 * 1024 - 64 * 1024,
        ge=1024,
        description="Largest webhook body; with its headers it must fit into a topic's 8 MiB",
    )
    ingress_max_waiting_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024,
        description="Bytes of webhooks that may wait for the broker at a time; further webhooks get 503",
    )
    ingress_body_timeout_seconds: float = Field(
        4.0, gt=0, description="How long a sender may take to send a body, in seconds"
    )
    ingress_publish_timeout_seconds: float = Field(
        3.0, gt=0, description="How long the broker may take to acknowledge before the sender gets 503, in seconds"
    )
    ingress_retry_after_seconds: int = Field(5, ge=1, description="Retry-After header of a 503, in seconds")
    ingress_failures_per_minute: float = Field(
        60.0,
        ge=0,
        description="Failed signatures per minute after which an address without any valid one gets 429; 0: no limit",
    )
    ingress_proxies: int = Field(
        0,
        ge=0,
        description="Proxies before ingress; with n, a sender's address is the n-th from the end of X-Forwarded-For",
    )
    signature_alert_count: int = Field(
        10,
        ge=1,
        description="Invalid signatures of a connection, in the window or in a row, that raise an alert",
    )
    signature_alert_seconds: float = Field(
        60.0,
        gt=0,
        description="That window, in seconds; the alert is resolved after so long with valid signatures only",
    )
