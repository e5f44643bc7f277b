"""Real faults on real processes, and the judgement of what clients saw: `python -m tests.fault`.

Private RabbitMQ and Postgres, several gateway processes, a TCP proxy between all of them, publishers and clients, a
nemesis whose schedule one seed decides. What is promised, and how far this shows it, is in
docs/explanation/guarantee.md.
"""
