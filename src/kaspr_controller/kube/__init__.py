"""Bytes to and from the API server: requests, lists, watches, writes, leases, Events. Knows no CRD of ours."""
