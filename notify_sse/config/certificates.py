"""Files of certificates, in PEM: what both edges ask of one before they use it."""

import ssl


def holds_certificates(path: str) -> bool:
    """Whether the file at `path`, which can be read, holds certificates of authorities (RFC 7468)."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        return False
    return True
