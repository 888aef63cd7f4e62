"""What the commands do for the toy task."""

from types import SimpleNamespace

from tenuto.errors import DataError
from tenuto.files import sha256_of
from tests.tasks.toy.lines import Lines


def read(data, split, choices):
    rows = [line.split(choices["sum_mark"]) for line in data.read_text().splitlines()]
    if any(len(row) != 2 for row in rows):
        raise DataError(f"{data} has a line without a sum.", expected=f"NUMBERS {choices['sum_mark']} SUM")
    return Lines([[float(word) for word in row[0].split()] for row in rows], [float(row[1]) for row in rows], str(data), sha256_of(data))


def splits(data, validation, test, choices):
    return SimpleNamespace(**{name: path and read(path, None, choices) for name, path in (("train", data), ("validation", validation or data), ("test", test))})


def predict(model, data, choices):
    return [{"id": str(index), "predicted": round(value, choices["digits"])} for index, value in enumerate(model.predict(data))]


def sums(rows):
    return "".join(f"{row['predicted']}\n" for row in rows)


def described(model):
    return f"{model.hidden_size} units, widths {model.widths}, clip {model.clip_norm}, scaled {model.scaled}, seed {model.random_state}"


def said(result):
    return f"loss {result['loss']:.3f} of {result['lines']} lines"


def score(result):
    return [said(result)]
