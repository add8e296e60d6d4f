"""Generated files: the CRDs and the API reference, written from the models."""
