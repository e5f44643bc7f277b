"""`python -m tests.web.door.without serve …`: the real service without its door: Hypercorn has every request."""

from notify_sse.web.door import ServerLoop

if __name__ == "__main__":
    del ServerLoop.create_server
    from notify_sse.cli import main

    main()
