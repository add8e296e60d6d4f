"""Measures what the controller costs, side by side with others; see README.md."""
