"""Simple methods, each a function of a training file and a test file that gives the score on the test file. What they leave open is chosen by cross-validation."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
FOLDS = 3


def letter_regression(train: Path, test: Path) -> float:
    """Logistic regression on counts of one to five letters in a row, within words: accuracy."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    parts = [[json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in (train, test)]
    texts, labels = [[row["text"] for row in part] for part in parts], [np.array([row["label"] for row in part]) for part in parts]
    counted = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 5), sublinear_tf=True, min_df=2)
    return _regression(counted.fit_transform(texts[0]), labels[0], counted.transform(texts[1]), labels[1])


def value_regression(train: Path, test: Path) -> float:
    """Logistic regression: on all values where the sequences are equally long, else on mean, deviation, first and last of each channel: accuracy."""
    x, y, other, truth = _sequences(train, test)
    length = len(x[0])
    equal = all(len(one) == length for one in x + other)

    def features(one: np.ndarray) -> np.ndarray:
        return one.ravel() if equal else np.concatenate([one.mean(0), one.std(0), one[0], one[-1]])

    rows = [np.stack([features(one) for one in part]) for part in (x, other)]
    mean, deviation = rows[0].mean(0), rows[0].std(0) + 1e-9
    return _regression((rows[0] - mean) / deviation, y, (rows[1] - mean) / deviation, truth)


def nearest_by_warping(train: Path, test: Path) -> float:
    """The class of the nearest training sequence by dynamic time warping within a tenth of the length: accuracy (Sakoe & Chiba 1978)."""
    x, y, other, truth = _sequences(train, test)
    values = np.concatenate(x)
    mean, deviation = values.mean(0), values.std(0) + 1e-9
    known = [(one - mean) / deviation for one in x]
    answers = [y[np.argmin(warped((one - mean) / deviation, known))] for one in other]
    return float(np.mean(np.array(answers) == truth))


def warped(one: np.ndarray, others: list[np.ndarray]) -> np.ndarray:
    """The warping distance of a sequence [T, C] to each of the others, [N]; the cost of a step is the squared difference."""
    length, lengths = len(one), np.array([len(other) for other in others])
    most = int(lengths.max())
    window = max(math.ceil(0.1 * max(length, most)), int(np.abs(lengths - length).max()))
    padded = np.full((len(others), most, one.shape[1]), np.inf)
    for number, other in enumerate(others):
        padded[number, : len(other)] = other
    # Diagonal by diagonal: place i + 1 of a row has the cost of ending with step i of `one` and step diagonal - i of the other.
    before = np.full((len(others), length + 1), np.inf)
    last, distances = before.copy(), np.empty(len(others))
    before[:, 0] = 0.0
    for diagonal in range(length + most - 1):
        low = max(0, diagonal - most + 1, (diagonal - window + 1) // 2)
        high = min(diagonal, length - 1, (diagonal + window) // 2)
        now = np.full_like(last, np.inf)
        if low <= high:
            reached = np.minimum(np.minimum(last[:, low + 1 : high + 2], last[:, low : high + 1]), before[:, low : high + 1])
            steps = padded[:, diagonal - high : diagonal - low + 1][:, ::-1]
            now[:, low + 1 : high + 2] = np.square(steps - one[low : high + 1]).sum(2) + reached
        ended = lengths + length - 2 == diagonal
        distances[ended] = now[ended, length]
        before, last = last, now
    return distances


def window_perceptron(train: Path, test: Path) -> float:
    """A linear classifier of each token by itself, its ends, its case and its neighbours: accuracy of tokens."""
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import SGDClassifier

    from tenuto.data import read_conll

    def features(words: tuple[str, ...]) -> Any:
        padded = ("<", "<", *words, ">", ">")
        for place in range(2, len(padded) - 2):
            word = padded[place]
            near = [f"{offset}{padded[place + offset].lower()}" for offset in (-2, -1, 0, 1, 2)]
            ends = [f"ends {word[-size:].lower()}" for size in (1, 2, 3)] + [f"begins {word[:2].lower()}"]
            yield [*near, *ends, f"case {word[0].isupper()}{word.isupper()}{any(map(str.isdigit, word))}", f"two {near[1]}{near[2]}"]

    parts = [read_conll(path) for path in (train, test)]
    hasher = FeatureHasher(2**20, input_type="string")
    rows = [hasher.transform([one for words in part.tokens for one in features(words)]) for part in parts]
    tags = [np.array([tag for row in part.tags for tag in row]) for part in parts]
    fitted = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=20, random_state=0).fit(rows[0], tags[0])
    return float((fitted.predict(rows[1]) == tags[1]).mean())


def neighbouring_letters(train: Path, test: Path) -> float:
    """Each letter spoken as it usually is between the same neighbours (bench/cmudict_letters.py): words wholly right."""
    from bench.cmudict_letters import learn, rates

    from tenuto.data import read_pairs

    rules, pairs = learn(read_pairs(train)), read_pairs(test)
    return 1 - rates(pairs, rules, least=2)[0]


def counts_of_letters(train: Path, test: Path, longest: int = 6) -> float:
    """How likely a letter is after the ones before it, by counts of up to seven letters in a row, each length mixed with the next shorter one: minus nats
    a character (Witten & Bell 1991)."""
    text, asked = (path.read_text(encoding="utf-8") for path in (train, test))
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for place, letter in enumerate(text):
        for size in range(min(longest, place) + 1):
            counts[text[place - size : place]][letter] += 1
    letters = len(set(text)) + 1
    nats = 0.0
    for place in range(1, len(asked)):
        share = 1 / letters
        for size in range(min(longest, place) + 1):
            found = counts.get(asked[place - size : place])
            if found is None:
                break
            share = (found[asked[place]] + len(found) * share) / (found.total() + len(found))
        nats -= math.log(share)
    return -nats / (len(asked) - 1)


def _regression(x: Any, y: np.ndarray, other: Any, truth: np.ndarray) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    folds = min(FOLDS, min(Counter(y.tolist()).values()))
    search = GridSearchCV(LogisticRegression(max_iter=300), {"C": STRENGTHS}, cv=max(folds, 2))
    return float(search.fit(x, y).score(other, truth))


def _sequences(train: Path, test: Path) -> tuple[list[np.ndarray], np.ndarray, list[np.ndarray], np.ndarray]:
    from tenuto.data import read_sequences

    parts = [read_sequences(path) for path in (train, test)]
    (x, y), (other, truth) = [([np.asarray(one, dtype=float) for one in part.values], np.array(part.labels)) for part in parts]
    return x, y, other, truth
