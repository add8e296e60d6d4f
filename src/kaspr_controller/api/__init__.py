"""What users write: the six custom resources, their labels and their conditions. Knows no I/O and no other room."""
