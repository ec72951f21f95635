"""Settings of a service: frozen, read from a mapping, so that no test needs an environment.

A field `pool_size` is read from `POOL_SIZE`, or from the file that `POOL_SIZE_FILE` names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from shared.errors import Misconfigured


class Settings(BaseModel):
    """What every service needs. Each service's own settings extend it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kafka_bootstrap_servers: str = Field(description="Kafka brokers, host:port, separated by commas")
    topic_prefix: str = Field(
        "", description="Put before every topic and group name, so that installations can share a broker"
    )
    database_url: str = Field(description="PostgreSQL, as a URL")
    database_pool_size: int = Field(4, ge=1, description="Database connections a service holds at most")
    secret_key: SecretStr = Field(
        description="32 bytes in base64: seals the credentials of connections in the database"
    )
    log_level: str = Field("info", description="debug, info, warning or error")
    health_host: str = Field("127.0.0.1", description="Where /livez, /readyz and /metrics listen")
    health_port: int = Field(0, ge=0, description="Their port; 0 takes a free one")
    instance: str = Field(
        "", description="Name of this replica for static group membership, e.g. the pod's name; empty for none"
    )
    connections_refresh_seconds: float = Field(
        15.0, gt=0, description="How often connections are read again from the database"
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Settings from environment variables. Raises Misconfigured, naming each wrong one."""
        try:
            return cls.model_validate(_values(cls, environ))
        except ValidationError as error:
            lines = [f"{'.'.join(str(part) for part in e['loc']).upper()}: {e['msg']}" for e in error.errors()]
            raise Misconfigured("; ".join(lines)) from None


def from_files(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The environment, with each of `names` read from the file in `<name>_FILE` where that is set.

    Raises Misconfigured for a file that cannot be read.
    """
    found = dict(environ)
    for name in names:
        path = environ.get(f"{name}_FILE")
        if not path:
            continue
        try:
            found[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise Misconfigured(f"{name}_FILE: {path} cannot be read: {error}") from None
    return found


def _values(cls: type[BaseModel], environ: Mapping[str, str]) -> dict[str, str]:
    given = from_files(environ, [name.upper() for name in cls.model_fields])
    return {name: given[name.upper()] for name in cls.model_fields if given.get(name.upper(), "") != ""}
