"""Which class a recording belongs to: a word, a speaker, an event."""
