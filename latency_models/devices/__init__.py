"""The catalogue's devices, a file a family; `latency_models.catalogue` puts them together."""
