"""Other libraries' models in tenuto's terms: their weights by gate name, their masks, their dropout.

In: tensors as the other library lays them out. Out: cells, weights and lengths as `tenuto.layers.functional.recurrent` takes them.
Imports cells and layers; never the other library itself (for Keras that is `tenuto.keras`), so each adapter is plain torch.
"""
