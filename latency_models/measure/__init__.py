"""Measures how long networks take on this machine's runtimes, each in a process of its own."""

from latency_models.measure.command import COMMAND
from latency_models.measure.process import measure
from latency_models.measure.result import Measured
from latency_models.measure.runtimes import RUNTIMES, Runtime, runtimes
from latency_models.measure.timing import TimingPlan

__all__ = ["COMMAND", "RUNTIMES", "Measured", "Runtime", "TimingPlan", "measure", "runtimes"]
