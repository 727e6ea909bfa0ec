"""`nas doctor`: whether a run would work here, and what to do where it would not.

Looks and tries; writes nothing that lasts. JAX runs in processes of its own only, and Ray's client
in `nas.execution`.
"""

from nas.doctor.check import Check, State, worst
from nas.doctor.examination import Section, examine

__all__ = ["Check", "Section", "State", "examine", "worst"]
