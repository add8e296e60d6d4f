"""What we say: pure decisions over observed facts, composed into the status of a custom resource."""
