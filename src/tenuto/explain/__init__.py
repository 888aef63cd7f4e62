"""What a model's answer is made of.

In: a model (a task's network, a layer, a torch module) and tensors. Out: numbers for each part of the input. Uses front, encoder and head
of a network and nothing else of a task; leaves nothing on a model. Imports `program`, `engines`, `layers`, `networks`, `tasks`.
"""
