"""What a run or a search leaves on the disk, and what it ran on.

In: plain data and tensors. Out: a folder with plain files, and what is read back from it. Imports `errors`, `files`, `train`.
"""
