"""Runs Python where nothing of ours can be imported."""

import subprocess
import sys
from pathlib import Path

_BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("nas", "search_spaces", "latency_models"):
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Blocker())
sys.path.insert(0, ".")
sys.dont_write_bytecode = True
"""


def run_alone(code: str, directory: Path) -> str:
    """What the code prints, run in a directory by an interpreter without our packages."""
    command = [sys.executable, "-I", "-W", "error::DeprecationWarning", "-c", _BLOCKED + code]
    ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
