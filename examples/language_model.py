"""A language model of characters: an LSTM reads plays as one long stream, says how likely unseen lines are, and writes some of its own.

Learns from examples/data/shakespeare.txt (60,000 characters, public domain), without its last twentieth. Prints perplexity and bits a character on
that end, with the state carried over all of it and in windows from a zero state; what the model expects after two beginnings; and a speech.
Takes about 20 s on one core (--small: a few steps).
"""

import sys
from pathlib import Path

from tenuto.data.text import read_text
from tenuto.tasks import LanguageModel

small = "--small" in sys.argv
text = read_text(Path(__file__).parent / "data" / "shakespeare.txt")
training, test = text.split(0.05)
model = LanguageModel(
    "lstm", hidden_size=128, num_layers=1, embedding_size=32, batch_size=16, window=64, epochs=25, max_steps=4 if small else None, output_dropout=0.3
)
model.fit(training)  # its own end is held out, to choose the epoch that is kept

result = model.evaluate(test, windows=(64,))
print(f"state carried:   {result['bits_per_character']:.3f} bits a character, perplexity {result['perplexity']:.2f}")
print(f"windows of 64:   {result['windows'][0]['bits_per_character']:.3f} bits a character")

for beginning in ("First Citi", "What is th"):
    likely = sorted(zip(model.predict_proba(beginning)[0], model.vocabulary_.symbols), reverse=True)[:3]
    print(f"after {beginning!r}: " + ", ".join(f"{symbol.decode()!r} {share:.0%}" for share, symbol in likely))

print("ROMEO:", end="")
for piece in model.generate_pieces("ROMEO:", length=200, temperature=0.7, stop=["\n\n"], seed=1):
    print(piece, end="", flush=True)
print()
