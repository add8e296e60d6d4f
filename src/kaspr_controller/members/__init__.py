"""HTTP to the app's own pods: observe their /status/ within bounds. Never talks to the Kubernetes API."""
