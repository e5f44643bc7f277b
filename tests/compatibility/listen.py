"""`python listen.py <client>`: one of Python's clients, in the loop that is its user's, at $URL with $TOKEN.

Prints the number of each notification, and `end` when it is refused for good. The loop is that of
docs/reference/clients.md.
"""

# mypy: ignore-errors
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable

URL = os.environ["URL"]
TOKEN = os.environ["TOKEN"]


class Place:
    """Where the reader stands, and how long the service wants it to wait."""

    cursor = ""
    wait_s = 1.0

    @property
    def headers(self) -> dict[str, str]:
        cursor = {"Last-Event-ID": self.cursor} if self.cursor else {}
        return {"Authorization": f"Bearer {TOKEN}", "Accept": "text/event-stream"} | cursor

    def take(self, name: str, data: str, cursor: str | None, retry_ms: float | None = None) -> None:
        self.cursor = cursor or self.cursor
        if retry_ms:
            self.wait_s = retry_ms / 1000
        if (name or "message") == "message" and data:
            print(json.loads(data)["payload"]["n"], flush=True)


def httpx_sse(place: Place) -> int:
    import httpx
    from httpx_sse import connect_sse

    with (
        httpx.Client(timeout=httpx.Timeout(10, read=45)) as http,
        connect_sse(http, "GET", URL, headers=place.headers) as source,
    ):
        if source.response.status_code == httpx.codes.OK:
            for event in source.iter_sse():
                place.take(event.event, event.data, event.id, event.retry)
        return source.response.status_code


def sseclient_py(place: Place) -> int:
    import requests
    import sseclient

    with requests.get(URL, headers=place.headers, stream=True, timeout=(10, 45)) as answer:
        if answer.ok:
            for event in sseclient.SSEClient(answer).events():
                place.take(event.event, event.data, event.id, int(event.retry or 0))
        return answer.status_code


def requests_sse(place: Place) -> int:
    from requests_sse import EventSource, InvalidStatusCodeError

    try:
        with EventSource(URL, headers=place.headers, timeout=(10, 45), max_connect_retry=0) as source:
            for event in source:
                place.take(event.type, event.data, event.last_event_id)
    except InvalidStatusCodeError as exc:
        return int(exc.status_code)
    return 200


def aiohttp_sse(place: Place) -> int:
    import aiohttp
    from aiohttp_sse_client import client

    async def read() -> int:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=45)
        try:
            async with client.EventSource(URL, headers=place.headers, timeout=timeout, max_connect_retry=0) as source:
                async for event in source:
                    place.take(event.type, event.data, event.last_event_id)
        except ConnectionError as exc:
            return 401 if "401" in str(exc) else 502
        return 200

    return asyncio.run(read())


CLIENTS: dict[str, Callable[[Place], int]] = {
    "httpx-sse": httpx_sse,
    "sseclient-py": sseclient_py,
    "requests-sse": requests_sse,
    "aiohttp-sse-client": aiohttp_sse,
}


def main() -> None:
    read = CLIENTS[sys.argv[1]]
    place = Place()
    while True:
        try:
            status = read(place)
        except Exception as exc:  # noqa: BLE001  each library has errors of its own for a stream that was cut
            print(f"# {type(exc).__name__}: {exc}"[:200], flush=True)
        else:
            if status in (401, 403):
                print("end", flush=True)
                return
        time.sleep(place.wait_s)


if __name__ == "__main__":
    main()
