"""The parts of bench/long.py: adding, memories, depth, peer."""
