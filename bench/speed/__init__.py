"""What bench/cpu.py measures: timing (turns, medians, the machine's peak), peers, one file a kind of section, page (tables and plot)."""
