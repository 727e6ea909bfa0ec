"""Finds the fronts: which genotypes to evaluate next, and what has been found so far.

NumPy on arrays, without I/O; only `driver` knows executors and studies.
"""
