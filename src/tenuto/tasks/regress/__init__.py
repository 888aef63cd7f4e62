"""Regression of whole sequences: one number, or several, for each."""
