"""Curves of a run in TensorBoard, Weights & Biases or MLflow, for those who follow runs there.

What is sent is a copy: the study has every figure itself. So nothing that goes wrong here ends or
delays a run.
"""

from nas.tracking.opening import TrackingError, check_tracking, open_tracker
from nas.tracking.tracker import BackgroundTracker, Tracker

__all__ = ["BackgroundTracker", "Tracker", "TrackingError", "check_tracking", "open_tracker"]
