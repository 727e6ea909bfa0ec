"""Checks every array annotation of the three packages at run time and fixes Hypothesis in CI."""

import os

from hypothesis import settings
from jaxtyping import install_import_hook

install_import_hook(["nas", "search_spaces", "latency_models"], "annotation_checks.check")

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")
