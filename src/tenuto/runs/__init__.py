"""What a run leaves on the disk.

In: plain data and tensors. Out: a run folder, whole or not there, and back. Imports `errors`, `files`, `train`.
"""
