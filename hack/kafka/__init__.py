"""A real Kafka broker on loopback, for the tests of goodbyes: see README.md."""
