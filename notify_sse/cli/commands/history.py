"""`notify-sse history`."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import click
import httpx

from notify_sse.cli.options import (
    client_settings,
    describe,
    json_option,
    names,
    print_json,
    print_line,
    recipient_argument,
    recipient_of,
    service_options,
    service_url,
    tokens,
)
from notify_sse.cli.remote import TIMEOUT_S, bearer, refused, unreachable
from notify_sse.config import is_local_url

PAGE: Final = 500

EXAMPLES: Final = """\b
notify-sse history alice --newest --limit 10
notify-sse history alice --type new_message --json
notify-sse history alice --after k3f9a1.4710
"""


@click.command("history", epilog=EXAMPLES)
@recipient_argument
@click.option("--topics", "--topic", "topics", multiple=True, help="Topics to read too; repeatable, or with commas.")
@click.option("--type", "types", multiple=True, help="Only these notification types; repeatable, or with commas.")
@click.option("--after", help="Only what came after this cursor.")
@click.option("--before", help="Only what came before this cursor.")
@click.option("--limit", "-n", type=click.IntRange(min=1), help="At most so many.  [default: all]")
@click.option("--newest", is_flag=True, help="The newest first.")
@json_option
@service_options
def command(
    *,
    recipient: str | None,
    topics: tuple[str, ...],
    types: tuple[str, ...],
    after: str | None,
    before: str | None,
    limit: int | None,
    url: str | None,
    token: str | None,
    newest: bool,
    as_json: bool,
) -> None:
    """Show the notifications of RECIPIENT that are in the log, with their cursors.

    When the cursor of --after lies too far back, so that some may be missing, a line on stderr says so.
    """
    settings = client_settings()
    granted = names(topics)
    token_for = tokens(settings, token, recipient_of(recipient, token), topics=granted, ttl_s=60)
    params = {
        "topics": ",".join(granted),
        "type": ",".join(names(types)),
        "after": after or "",
        "before": before or "",
        "order": "desc" if newest else "asc",
    }
    wanted = {name: value for name, value in params.items() if value}
    url = service_url(settings, url)
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=not is_local_url(url)) as client:
        for item in _items(client, wanted, token_for, limit=limit):
            if as_json:
                print_json(item)
            else:
                print_line(item["cursor"], *describe(item))


def _items(
    client: httpx.Client, params: dict[str, str], token_for: Callable[[], str], *, limit: int | None
) -> Iterator[dict[str, Any]]:
    left = limit
    while left is None or left > 0:
        page = _page(client, params | {"limit": str(min(PAGE, left or PAGE))}, token_for())
        if reset := page["reset"]:
            click.echo(f"notify-sse: what lay between may be missing (reset: {reset['reason']})", err=True)
        yield from page["items"]
        if not page["more"]:
            return
        if left is not None:
            left -= len(page["items"])
        if params["order"] == "desc":
            params = params | {"before": page.get("before") or page["items"][-1]["cursor"]}
        else:
            params = params | {"after": page["cursor"]}


def _page(client: httpx.Client, params: dict[str, str], token: str) -> dict[str, Any]:
    try:
        response = client.get("/notifications/history", params=params, headers=bearer(token))
    except httpx.HTTPError as exc:
        raise unreachable(str(client.base_url), exc) from exc
    if response.status_code != httpx.codes.OK:
        raise refused(response)
    page: dict[str, Any] = response.json()
    return page
