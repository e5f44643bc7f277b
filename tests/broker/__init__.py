"""The promises of the `Broker` port, on both adapters, and what only RabbitMQ can do to us."""
