"""Which class a text belongs to."""
