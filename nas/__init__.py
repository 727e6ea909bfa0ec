"""Ridgeline: one search over a weight-sharing network, a verified accuracy-latency front for every target."""
