"""The publishers of a load test, over AMQP and HTTP."""
