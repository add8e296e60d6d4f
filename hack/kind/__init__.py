"""A real Kubernetes cluster in Docker, with the public node image or with one that is built on this machine."""
