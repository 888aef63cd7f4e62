"""What `bench/compress.py` is made of: the models that are compressed, and the page."""
