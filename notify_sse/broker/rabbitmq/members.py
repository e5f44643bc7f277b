"""Whether our quorum queues have members on as many nodes as they should: asked of RabbitMQ's management API.

A queue that was made before the other nodes joined has one member, and is gone with its node; AMQP says nothing of it.
"""

import asyncio
import re
import ssl
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import httpx

from notify_sse.broker.rabbitmq import tls
from notify_sse.broker.rabbitmq.topology import Topology
from notify_sse.core.ports import Finding
from notify_sse.telemetry.redaction import redacted_url

TIMEOUT_S: Final = 5.0
ENOUGH: Final = 3
"""Members that RabbitMQ itself gives a quorum queue in a larger cluster: they bear the loss of one node."""
ASK: Final = "give NOTIFY_SSE_BROKER_MANAGEMENT_URL, with a user who has the tag monitoring"


async def look(broker_url: str, *, prefix: str, management_url: str | None = None) -> Finding:
    """An error names the queues that would be gone with a node, and the command that mends it. Where the management API
    cannot be asked, that is told as `ok`.
    """
    place = management_url or default_url(broker_url)
    topology = Topology(prefix=prefix)
    vhost = vhost_of(broker_url)
    parts = urlsplit(place)
    auth = httpx.BasicAuth(unquote(parts.username or "guest"), unquote(parts.password or "guest"))
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
    try:
        verify = await asyncio.to_thread(_context, broker_url if parts.scheme == "https" else "")
        async with httpx.AsyncClient(auth=auth, timeout=TIMEOUT_S, trust_env=False, verify=verify) as client:
            nodes = [one["name"] for one in await _asked(client, f"{bare}/api/nodes") if one.get("running", True)]
            queues = f"{bare}/api/queues/{quote(vhost, safe='')}"
            members = {
                name: (await _asked(client, f"{queues}/{quote(name, safe='')}"))["members"]
                for name in (topology.ingest, topology.dead)
            }
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as exc:
        detail = f"the management API at {redacted_url(bare)} does not tell ({type(exc).__name__})"
        return Finding("members", "ok", detail, ASK)
    return _judged(nodes, members, vhost=vhost, prefix=prefix)


def default_url(broker_url: str) -> str:
    """Where the management API usually is: on the broker's host, with its user."""
    parts = urlsplit(broker_url)
    scheme, port = ("https", 15671) if parts.scheme == "amqps" else ("http", 15672)
    user, at, _ = parts.netloc.rpartition("@")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{scheme}://{user}{at}{host}:{port}"


def vhost_of(broker_url: str) -> str:
    """As aiormq reads it: nothing after the host is the default one."""
    return unquote(urlsplit(broker_url).path[1:]) or "/"


def _context(broker_url: str) -> ssl.SSLContext:
    """Reading the authorities of a system takes 25 ms; without TLS, there is no one to trust."""
    return tls.context_of(broker_url) if broker_url else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _asked(client: httpx.AsyncClient, url: str) -> Any:
    answer = await client.get(url)
    answer.raise_for_status()
    return answer.json()


def _judged(nodes: list[str], members: dict[str, list[str]], *, vhost: str, prefix: str) -> Finding:
    fewer = {name: having for name, having in members.items() if len(set(having)) < min(ENOUGH, len(nodes))}
    if not fewer:
        return Finding("members", "ok", f"{len(nodes)} nodes; each queue has a member on enough of them")
    told = ", ".join(f"{name} ({len(having)})" for name, having in fewer.items())
    lacking = [node for node in nodes if any(node not in having for having in fewer.values())]
    which = f"--vhost-pattern '^{re.escape(vhost)}$' --queue-pattern '^{re.escape(prefix)}\\.'"
    advice = "; ".join(f"rabbitmq-queues grow {node} all {which}" for node in lacking)
    detail = f"the cluster has {len(nodes)} nodes, and queues with members on fewer, which one node takes along: {told}"
    return Finding("members", "error", detail, f"on any node run: {advice}")
