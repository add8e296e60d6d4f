"""Kafka consumer groups, asked and told on behalf of the apps.

Static members never say goodbye (they keep their seat for the session timeout, 120 s by default), so somebody else has
to: `GroupDesk` takes goodbyes and descriptions from reconciles without ever blocking them, `KafkaGroupClient` carries
them out with the app's own brokers and credentials. WHETHER a goodbye is said is decided in `status`; nothing here
guards against saying one for a member that is alive and well.
"""
