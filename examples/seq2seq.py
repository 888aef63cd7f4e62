"""Sequence to sequence: numbers read out, "407" to "four hundred seven", by an encoder-decoder with attention.

Prints the share of unseen numbers that are read wholly right, and a few answers. The data is generated.
Takes about 25 s on one core (--small: one epoch).
"""

import random
import sys

from tenuto.tasks import Seq2Seq

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()


def spoken(number: int) -> str:
    """A number below 10,000 in words."""
    for size, name in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = f" {spoken(number % size)}" if number % size else ""
            return f"{spoken(number // size)} {name}{rest}"
    if number < 20:
        return ONES[number]
    return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")


numbers = random.Random(0).sample(range(10_000), 2500)
train, test = numbers[:2000], numbers[2000:]
model = Seq2Seq("lstm", target_unit="words", hidden_size=64, embedding_size=32, epochs=1 if "--small" in sys.argv else 25)
model.fit([str(number) for number in train], [spoken(number) for number in train])

if "--small" in sys.argv:
    test = test[:50]
answers = model.predict([str(number) for number in test])
right = sum(answer == spoken(number) for number, answer in zip(test, answers))
print(f"right: {right} of {len(test)} numbers that it never saw")
for number, answer in list(zip(test, answers))[:5]:
    print(f"{number:5} {answer}")
