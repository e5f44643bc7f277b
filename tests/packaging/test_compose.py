"""compose.yaml and the Dockerfile against the contracts, as far as that can be seen without Docker.

What they describe must be what the service reads, what its own files say, and safe on a laptop.
"""

import re
import secrets
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from notify_sse.config import Settings, read_settings, variable
from notify_sse.errors import BadConfiguration
from tests.support.wheels import BUILT_FROM

REPOSITORY = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
GATEWAY: dict[str, str] = SERVICES["gateway"]["environment"]
DOCKERFILE = re.sub(r"\\\n\s*", "", (REPOSITORY / "Dockerfile").read_text())


def _value(text: str) -> str:
    """With the defaults of compose's `${NAME:-default}` put in, as when nothing is set."""
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)


def _instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


def test_the_three_services_are_there() -> None:
    """And no more, unless a profile asks for it."""
    assert {name for name, service in SERVICES.items() if not service.get("profiles")} == {"broker", "db", "gateway"}
    assert "management" in SERVICES["broker"]["image"]


def test_every_variable_has_a_default() -> None:
    """`docker compose up broker` must work with nothing set: compose reads the whole file for any service."""
    used = re.findall(r"\$\{([^}]+)\}", re.sub(r"(?m)^\s*#.*$", "", (REPOSITORY / "compose.yaml").read_text()))
    assert used
    assert [name for name in used if ":-" not in name] == []


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_published_on_loopback_only(name: str) -> None:
    ports = SERVICES[name]["ports"]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", ["broker", "db"])
def test_servers_have_a_health_check_and_a_volume_of_their_own(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert {volume.partition(":")[0] for volume in service["volumes"]} <= set(COMPOSE["volumes"])
    assert SERVICES["gateway"]["depends_on"][name] == {"condition": "service_healthy"}


def test_the_broker_keeps_its_name() -> None:
    """RabbitMQ's data belong to `rabbit@<host name>`; Docker gives each new container a new one."""
    assert SERVICES["broker"]["hostname"]


def test_the_gateway_reads_every_setting_that_it_is_given() -> None:
    """A misspelt variable would be ignored."""
    known = {variable(name) for name in Settings.__struct_fields__}
    in_image = {part.partition("=")[0] for line in _instructions("ENV") for part in shlex.split(line)}
    given = set(GATEWAY) | {name for name in in_image if name.startswith("NOTIFY_SSE_")}
    assert given <= known


def test_the_gateway_is_given_the_servers_of_this_file() -> None:
    """Hosts are service names, ports the containers', users and passwords those that the servers are given."""
    broker, db = (urlsplit(_value(GATEWAY[variable(name)])) for name in ("broker_url", "database_url"))
    at_broker, at_db = SERVICES["broker"]["environment"], SERVICES["db"]["environment"]
    assert (broker.scheme, broker.hostname, broker.port) == ("amqp", "broker", 5672)
    assert (broker.username, broker.password) == tuple(
        _value(at_broker[f"RABBITMQ_DEFAULT_{part}"]) for part in ("USER", "PASS")
    )
    assert (db.scheme, db.hostname, db.port) == ("postgresql", "db", 5432)
    assert (db.username, db.password, db.path.lstrip("/")) == tuple(
        _value(at_db[f"POSTGRES_{part}"]) for part in ("USER", "PASSWORD", "DB")
    )


def test_the_image_and_its_key_are_taken_by_the_settings() -> None:
    """The settings of the image and of compose.yaml together let the service start on every address."""
    from_image = dict(part.split("=", 1) for line in _instructions("ENV") for part in shlex.split(line))
    settings = {name: value for name, value in from_image.items() if name.startswith("NOTIFY_SSE_")}
    settings |= {name: _value(value) for name, value in GATEWAY.items()}
    with pytest.raises(BadConfiguration, match="NOTIFY_SSE_JWT_SECRET"):
        read_settings(settings)  # no key that everybody knows
    read = read_settings(settings | {"NOTIFY_SSE_JWT_SECRET": secrets.token_hex(32)})
    assert read.host == "0.0.0.0"
    assert not read.development
    assert f":{read.port}" in SERVICES["gateway"]["ports"][0]
    assert _instructions("EXPOSE") == [str(read.port)]
    assert float(SERVICES["gateway"]["stop_grace_period"].removesuffix("s")) > read.drain_s


def test_the_image_is_small_unprivileged_and_ends_when_told() -> None:
    """Built in one stage and run from another; a number as user, so that Kubernetes can see that it is not root;
    exec form, so that SIGTERM reaches the service."""
    assert len(_instructions("FROM")) == 2
    assert [user.isdigit() and user != "0" for user in _instructions("USER")] == [True]
    assert _instructions("CMD") == ['["notify-sse", "serve"]']
    assert "/healthz" in _instructions("HEALTHCHECK")[0]


def test_the_build_sees_what_the_wheel_is_built_from() -> None:
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert sorted(line[1:] for line in ignored if line.startswith("!")) == sorted([*BUILT_FROM, "constraints.txt"])


def test_the_image_is_pinned_and_says_what_it_is() -> None:
    """To a version of Python and of the system, and to the versions of the libraries that the tests ran with."""
    default = _instructions("ARG")[0]
    assert re.fullmatch(r"BASE=python:3\.\d+\.\d+-slim-[a-z]+", default)
    assert [line.split()[0] for line in _instructions("FROM")] == ["$BASE"] * 2
    assert any("--constraint constraints.txt" in line for line in _instructions("RUN"))
    labels = dict(part.split("=", 1) for line in _instructions("LABEL") for part in shlex.split(line))
    names = ("title", "version", "revision", "description", "licenses", "documentation")
    assert set(labels) == {f"org.opencontainers.image.{name}" for name in names}
