"""Keywords in a stream of sound: which was said, and when (keyword spotting)."""
