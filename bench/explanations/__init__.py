"""What bench/explain.py measures: made data whose true importance is known (hmm, rectangles, arithmetic), speed beside peers; measures and page."""
