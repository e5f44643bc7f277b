"""`python -m notify_sse` is `notify-sse`."""

from notify_sse.cli import main

main()
