"""Which words made the model say this? Shapley values of words, with their standard errors, for sentences of a text classifier.

Learns from the 700 sentences in examples/data/snips (CC0), like text_classification.py. Prints, for three sentences, the answer and the two words that say most for it
(a sign that the model looks at what a reader would), and writes the page explain_text.html. Takes about 30 s on one core (--small: one epoch).
"""

import sys
from pathlib import Path

import tenuto
from tenuto.data import read_tagged_splits
from tenuto.explain import Shapley
from tenuto.tasks import TextClassifier

splits = read_tagged_splits(Path(__file__).parent / "data" / "snips")
model = TextClassifier("gru", hidden_size=48, epochs=1 if "--small" in sys.argv else 12)
model.fit(splits.train)

texts = ["put this song on my list", "will it rain in oslo on friday", "book a table for four at an italian place"]
found = tenuto.explain(model, texts, method=Shapley("words"))  # of the predicted intent; words are left out as "unknown"
for text, item in zip(texts, found):
    order = item.player_values.argsort()[::-1]
    words = [f"{item.players.names[number]} {item.player_values[number]:+.2f}" for number in order[:2]]
    print(f"{item.target:22} because of {', '.join(words):28} in: {text}")

found.to_html("explain_text.html", title="Why these intents?")
print("page: explain_text.html")
