"""The `Broker` port on RabbitMQ."""
