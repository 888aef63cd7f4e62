"""Modules that several tasks' networks are made of.

In: batches. Out: tensors. Imports `cell`, `layers`, `data`; no task.
"""
