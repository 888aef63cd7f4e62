"""Modules that several tasks' networks are made of.

In: batches. Out: tensors. Imports `errors`, `cell`, `layers`, `data`; no task.
"""
