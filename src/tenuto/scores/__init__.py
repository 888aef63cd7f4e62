"""Numbers that say how good answers are.

In: answers and truth, as arrays or lists. Out: plain data. Imports nothing of ours.
"""
