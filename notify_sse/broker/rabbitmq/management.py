"""On how many nodes the queues are, out of RabbitMQ's management API: AMQP does not tell.

A quorum queue has its members on the nodes that were there when it was made. One that is on fewer nodes than the
cluster has is lost with them, and nothing else says so. The API is a plugin, on a port of its own; where it does not
answer, that is said, and nothing is guessed.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

import httpx
import msgspec
from yarl import URL

from notify_sse.core.ports import Finding

TIMEOUT_S: Final = 3.0
PORTS: Final = {"amqp": ("http", 15672), "amqps": ("https", 15671)}
"""The API as the plugin sets it up, as well protected as the broker is reached."""


class _Node(msgspec.Struct):
    name: str


class _Queue(msgspec.Struct):
    members: tuple[str, ...] = ()
    online: tuple[str, ...] = ()


_decode_nodes = msgspec.json.Decoder(list[_Node]).decode
_decode_queue = msgspec.json.Decoder(_Queue).decode


async def members(broker_url: URL, queues: Iterable[str], *, port: int | None = None) -> list[Finding]:
    """A finding for each of `queues` that is not on all nodes, or on a node that is down; or one for all of them.

    `port` is that of the API, where it is not the usual one.
    """
    scheme, usual = PORTS[broker_url.scheme]
    base = f"{scheme}://{broker_url.host_subcomponent}:{port or usual}/api"
    auth = (broker_url.user or "guest", broker_url.password or "guest")
    vhost = quote(broker_url.path[1:] or "/", safe="")
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S, auth=auth, trust_env=False) as client:
            nodes = _decode_nodes((await client.get(f"{base}/nodes")).raise_for_status().content)
            made = []
            for name in queues:
                answer = await client.get(f"{base}/queues/{vhost}/{quote(name, safe='')}")
                made += _of(name, _decode_queue(answer.raise_for_status().content), [one.name for one in nodes])
    except (httpx.HTTPError, msgspec.DecodeError):
        detail = f"on how many nodes the queues are is not known: no management API for this user at {base}"
        return [Finding("members", "ok", detail, "in a cluster: `rabbitmq-queues quorum_status QUEUE` on a node")]
    return made or [Finding("members", "ok", f"the queues are on all {len(nodes)} nodes")]


def _of(name: str, queue: _Queue, nodes: Sequence[str]) -> list[Finding]:
    made = []
    if absent := sorted({*nodes} - {*queue.members}):
        advice = f"rabbitmq-queues grow {absent[0]} all --queue-pattern '{name}'"
        detail = f"{name} is on {len(queue.members)} of {len(nodes)} nodes, and not on {', '.join(absent)}"
        made.append(Finding("members", "error" if len(queue.members) == 1 else "warning", detail, advice))
    if down := sorted({*queue.members} - {*queue.online}):
        made.append(Finding("members", "warning", f"{name}: members are down on {', '.join(down)}", "start them"))
    return made
