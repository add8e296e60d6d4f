"""The Kubernetes operator for Kaspr stream-processing apps on Kafka."""
