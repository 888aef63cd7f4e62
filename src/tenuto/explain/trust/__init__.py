"""Trust: whether an explanation can be believed, measured on the same items and shown on its page.

In: a question, what a method answered, and copies of the model with random weights. Out: a `Trust`: what happens when parts are taken away in the order of their values
(`removal.py`), both halves of time (`halves.py`), and how much of the values random weights give too (`networks.py`); in words in `verdicts.py`, as a section of the page in `section.py`.
`measures.py` holds what was found and knows nothing of models; `check.py` is what the call uses.
"""
