from __future__ import annotations

from itertools import count

import pytest

from deploy.local.services import SERVICES, Launch, LocalService, named, plan


def planned(service: LocalService, **given: str) -> Launch:
    ports = count(30_000)
    return plan(service, given, lambda: next(ports))


def test_every_name_is_there_once() -> None:
    names = [service.name for service in SERVICES]

    assert len(names) == len(set(names))


def test_each_transformer_is_a_process_of_its_own() -> None:
    entities = [service.environ["TRANSFORMER_ENTITY"] for service in SERVICES if service.module == "transformers"]

    assert entities == ["order", "fulfilment"]


def test_a_service_gets_a_free_health_port_and_its_urls() -> None:
    launch = planned(named("journal"), DATABASE_URL="postgresql://x")

    assert launch.environ["HEALTH_PORT"] == "30000"
    assert launch.environ["DATABASE_URL"] == "postgresql://x"
    assert (launch.ready_url, launch.metrics_url) == (
        "http://127.0.0.1:30000/readyz",
        "http://127.0.0.1:30000/metrics",
    )


def test_a_port_that_was_named_is_kept() -> None:
    assert planned(named("ingress"), INGRESS_PORT="8080").address("INGRESS_PORT") == "http://127.0.0.1:8080"


@pytest.mark.parametrize("port", ["", "0"])
def test_a_port_that_is_left_open_is_chosen(port: str) -> None:
    assert planned(named("ingress"), INGRESS_PORT=port).environ["INGRESS_PORT"] == "30001"


def test_one_health_port_in_the_environment_is_not_given_to_all() -> None:
    assert planned(named("poller"), HEALTH_PORT="9100").environ["HEALTH_PORT"] == "30000"


def test_vendors_secrets_do_not_reach_a_service() -> None:
    launch = planned(named("ingress"), SHOPIFY_CLIENT_SECRET="s", HEARTLAND_API_TOKEN="t", POLL_SECONDS="1")

    assert not {"SHOPIFY_CLIENT_SECRET", "HEARTLAND_API_TOKEN"} & set(launch.environ)
    assert launch.environ["POLL_SECONDS"] == "1"


def test_the_sandbox_answers_health_on_its_own_port_and_has_no_metrics() -> None:
    launch = planned(named("sandbox"))

    assert launch.url == launch.address("SANDBOX_PORT")
    assert launch.metrics_url is None


def test_a_second_replica_has_a_name_and_ports_of_its_own() -> None:
    launch = plan(named("ingress"), {"INGRESS_PORT": "8080"}, count(30_000).__next__, replica=2)

    assert (launch.name, launch.environ["INSTANCE"]) == ("ingress-2", "ingress-2")
    assert launch.environ["INGRESS_PORT"] == "30001"
