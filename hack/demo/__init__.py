"""The demo: custom resources become a running app on a real API server, with every step visible. Run by `make demo`."""
