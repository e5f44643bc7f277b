"""`python -m tests.security`: the long form of the fuzz bench; `--share 0.01` for a hundredth of it."""

import asyncio
import shutil
import sys
from pathlib import Path

import click
import msgspec

from tests.security import fuzz
from tests.security.fuzz import Counts, Finding
from tests.support.service import Service
from tests.support.services import private_directory, start_postgres, start_rabbitmq

EXCHANGE = "fuzz"


@click.command()
@click.option("--seed", default=1, show_default=True, help="Names the inputs; another seed makes others.")
@click.option("--share", default=1.0, show_default=True, help="Of the full count of each kind.")
@click.option("--part", type=click.Choice(["parsers", "service"]), help="One of the two only.")
def main(*, seed: int, share: float, part: str | None) -> None:
    """Hostile input of every kind: at the parsers, then at a service on RabbitMQ and Postgres."""
    full = Counts()
    counts = Counts(**{name: max(100, int(count * share)) for name, count in msgspec.structs.asdict(full).items()})
    wrong = False
    if part != "service":
        for finding in fuzz.in_process(counts, seed=seed):
            wrong |= _told(finding)
    if part != "parsers":
        wrong |= _at_a_service(counts, seed=seed)
    sys.exit(1 if wrong else 0)


def _at_a_service(counts: Counts, *, seed: int) -> bool:
    wrong = False
    directory = private_directory()
    broker = start_rabbitmq(directory)
    try:
        database = start_postgres(directory)
        try:
            url = database.create_database()
            service = Service(
                Path(directory) / "service",
                broker_url=broker.url,
                database_url=url,
                amqp_prefix=EXCHANGE,
                env={"LIMIT_CONNECTS_PER_RECIPIENT": "0"},  # else most are refused before they are read
            )
            service.start()
            try:
                for finding in asyncio.run(fuzz.at_a_service(service, counts, seed=seed)):
                    wrong |= _told(finding)
                wrong |= _told(asyncio.run(fuzz.amqp(service, broker.url, EXCHANGE, counts, seed=seed)))
            finally:
                service.kill()
        finally:
            database.stop()
    finally:
        broker.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return wrong


def _told(finding: Finding) -> bool:
    click.echo(str(finding))
    return bool(finding.wrong)


if __name__ == "__main__":
    main()
