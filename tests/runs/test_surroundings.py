"""The machine and versions that a run ran on, as plain data."""

import json
import re

from tenuto.files import plain
from tenuto.runs.surroundings import machine, now, processor, versions


def test_it_is_plain_data_and_filled_in():
    facts = json.loads(json.dumps(plain({**machine(), **versions()}), allow_nan=False))
    assert facts["processor"] == processor() != ""
    assert facts["cores"] >= 1
    assert facts["device"] == "cpu"
    assert all(facts[name] for name in ("tenuto", "python", "torch", "numpy"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", now())
