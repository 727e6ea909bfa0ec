"""How a run shows where it is, in its own terminal and to whoever watches the study."""

from nas.live.progress import StageProgress
from nas.live.status import STAGE_NAMES, Status, duration, read_status

__all__ = ["STAGE_NAMES", "StageProgress", "Status", "duration", "read_status"]
