"""The container image: its base for machines without a registry, its locks, its build and its bill of materials."""
