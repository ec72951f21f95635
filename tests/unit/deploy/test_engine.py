from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.database import MAJOR, binaries, closed_parents, with_database
from deploy.local.docker import kafka_environ, kafka_image
from deploy.local.engine import asked_for_docker, without_password
from deploy.local.kafka import as_file, properties
from shared.errors import Misconfigured
from shared.messaging.topics import MAX_MESSAGE_BYTES


@pytest.mark.parametrize(("wish", "docker"), [("", False), ("embedded", False), ("docker", True)])
def test_the_engine_is_embedded_unless_docker_is_asked_for(wish: str, docker: bool) -> None:
    assert asked_for_docker({"TILLBRIDGE_ENGINE": wish}) is docker


def test_an_unknown_engine_is_refused_with_the_choices() -> None:
    with pytest.raises(Misconfigured, match=r"podman.*unset it .* or set it to docker"):
        asked_for_docker({"TILLBRIDGE_ENGINE": "podman"})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        pytest.param("postgresql://me:hush@db.example:5433/till", "db.example:5433/till", id="with a password"),
        pytest.param("postgresql://postgres@/till?host=/run/x", "a local socket/till", id="on a socket"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_another_database_of_the_same_server() -> None:
    url = with_database("postgresql://postgres@/tillbridge?host=/run/x", "other")

    assert url == "postgresql://postgres@/other?host=/run/x"


def test_the_largest_record_fits_into_a_request() -> None:
    values = properties("/data", 1, 2, 1)

    assert int(values["message.max.bytes"]) == MAX_MESSAGE_BYTES
    assert MAX_MESSAGE_BYTES < int(values["socket.request.max.bytes"]) == 16 * 1024 * 1024
    assert int(values["log.segment.bytes"]) >= MAX_MESSAGE_BYTES


def test_clients_are_told_the_advertised_port() -> None:
    text = as_file(properties("/data", 20_001, 20_002, 20_003))

    assert "advertised.listeners=PLAINTEXT://127.0.0.1:20003\n" in text
    assert "listeners=PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002\n" in text


def test_the_container_runs_the_version_that_is_locked() -> None:
    environ = kafka_environ("127.0.0.1", 20_001)

    assert kafka_image() == "apache/kafka:4.3.0"
    assert environ["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:20001"
    assert environ["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_postgres_of_the_expected_version_is_in_the_package() -> None:
    assert (binaries() / "initdb").exists()
    assert MAJOR == 18


def test_only_parents_that_others_may_not_pass_are_opened(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "open" / "data").mkdir(parents=True)
    closed.chmod(0o700)
    (closed / "open").chmod(0o755)

    found = list(closed_parents(closed / "open" / "data"))

    assert closed in found
    assert closed / "open" not in found
