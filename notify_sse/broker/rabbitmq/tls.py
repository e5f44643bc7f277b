"""What a broker's URL says of TLS: in RabbitMQ's words, or in aiormq's.

RabbitMQ's are at https://www.rabbitmq.com/docs/uri-query-parameters.
"""

import os
import ssl
from typing import Final

from yarl import URL

from notify_sse.config.certificates import holds_certificates
from notify_sse.errors import BadConfiguration

_AIORMQS: Final = {"cacertfile": "cafile"}
_FILES: Final = ("cacertfile", "cafile", "certfile", "keyfile")
_VERIFY: Final = {"verify_peer": "0", "verify_none": "1"}
NOT_TRUSTED: Final = (
    "the broker's certificate is not of an authority that is trusted here (name its file with ?cacertfile=… in "
    "NOTIFY_SSE_BROKER_URL), or not for that host; retrying until it is"
)


def as_aiormq_takes_it(broker_url: str) -> URL:
    """`broker_url`, with the options that RabbitMQ documents turned into those of aiormq.

    Raises `BadConfiguration` for a file that cannot be used.
    """
    url = URL(broker_url)
    options = dict(url.query)
    for name in _FILES:
        if (path := options.get(name)) is None:
            continue
        if not os.access(path, os.R_OK):
            raise BadConfiguration(f"NOTIFY_SSE_BROKER_URL: {name} names a file that cannot be read ({path})")
        if name in ("cacertfile", "cafile") and not holds_certificates(path):
            raise BadConfiguration(f"NOTIFY_SSE_BROKER_URL: {name} names a file without a certificate ({path})")
    if (verify := options.pop("verify", None)) is not None:
        if verify not in _VERIFY:
            raise BadConfiguration("NOTIFY_SSE_BROKER_URL: verify is verify_peer or verify_none")
        options["no_verify_ssl"] = _VERIFY[verify]
    return url.with_query({_AIORMQS.get(name, name): value for name, value in options.items()})


def context_of(broker_url: str) -> ssl.SSLContext:
    """What checks the certificates of the broker's other listeners, such as the management API."""
    options = as_aiormq_takes_it(broker_url).query
    context = ssl.create_default_context(cafile=options.get("cafile"))
    if "certfile" in options:
        context.load_cert_chain(options["certfile"], options.get("keyfile"))
    if options.get("no_verify_ssl", "0") != "0":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def is_not_trusted(cause: BaseException | None) -> bool:
    """Whether a connection failed because the broker's certificate was refused here. aiormq wraps that."""
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__
    return False
