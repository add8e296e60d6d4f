"""What should exist: pure functions from custom resources and facts to Kubernetes objects."""
