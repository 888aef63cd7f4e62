"""What bench/cpu.py measures: timing (turns, medians, the machine's peak), peers, one file for each kind of section, page (tables and plot)."""
