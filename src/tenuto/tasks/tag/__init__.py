"""A tag for each token, and a label for the sentence."""
