"""Programs of others that the tests run, written in Go: helm for the chart, promtool for the alerts."""
