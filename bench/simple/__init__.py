"""Data sets of many kinds as the commands read them, and simple methods to stand beside."""
