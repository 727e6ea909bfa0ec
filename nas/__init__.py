"""Ridgeline: one weight-sharing network, a verified accuracy-latency front for every target."""
