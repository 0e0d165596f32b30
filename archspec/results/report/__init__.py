"""The report of many runs: one HTML file that works without a network."""
