"""What the tests share: clients, publishers, an SSE parser, the checker, private servers, the service as a process."""
