"""Metric objects and the log set-up. The bottom room: every room may use it, it decides nothing."""
