"""The three example types, as arguments of `Publisher.publish`:

    await publisher.publish(**new_message("alice", sender="bob", text="Lunch?"))

A notification's type and payload are the application's own; these show the form, and the demo page draws them.
"""

from typing import Any, Final

ACCOUNT_UPDATE: Final = "account_update"
NEW_MESSAGE: Final = "new_message"
SYSTEM_ALERT: Final = "system_alert"


def account_update(recipient_id: str, *, field: str, text: str) -> dict[str, Any]:
    """Something about the recipient's account changed: which `field`, and a sentence to show."""
    return {
        "recipient_id": recipient_id,
        "notification_type": ACCOUNT_UPDATE,
        "payload": {"field": field, "text": text},
    }


def new_message(recipient_id: str, *, sender: str, text: str) -> dict[str, Any]:
    """`sender` wrote to the recipient."""
    return {
        "recipient_id": recipient_id,
        "notification_type": NEW_MESSAGE,
        "payload": {"sender": sender, "text": text},
    }


def system_alert(*, severity: str, text: str, topic: str = "all") -> dict[str, Any]:
    """For everyone who reads `topic`; `all` is everyone. `severity` is `info`, `warning` or `critical`."""
    return {
        "topic": topic,
        "notification_type": SYSTEM_ALERT,
        "payload": {"severity": severity, "text": text},
    }
