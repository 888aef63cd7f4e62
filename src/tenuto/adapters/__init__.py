"""Other libraries' models in tenuto's terms: their weights by gate name, their masks, their dropout.

In: tensors as the other library lays them out. Out: cells, weights and lengths as `tenuto.layers.functional.recurrent` takes them.
Imports `errors`, `activations`, `cell`, `cells`; never the other library itself (for Keras, `tenuto.keras` does that), so each adapter is
plain torch.
"""
