"""Health, readiness, metrics and debug pages over HTTP: read-only views, nothing is changed from here."""
