"""The commands of `python -m latency_models`, one module each; what a command needs it loads."""
