"""The expressions that panels have in common. Pure."""

from __future__ import annotations


def rate(metric: str, *labels: str, where: str = "") -> str:
    """How often a counter grows each second, by these labels; `where` selects series."""
    selector = f"{{{where}}}" if where else ""
    return f"sum by ({', '.join(labels)}) (rate({metric}{selector}[$__rate_interval]))"


def quantile(share: str, metric: str, *labels: str, where: str = "") -> str:
    """The value that this share of the observations of a histogram stays below."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', *labels, 'le', where=where)})"
