"""How fast does a spring swing, and how fast does it come to rest? Two numbers for each recording, with intervals.

Makes recordings of damped oscillations with noise, learns from 400 of them, and prints R² on 200 others, three answers with their 80 % intervals, and how
many of the 200 lie inside. Takes about 20 s on one core (--small: one epoch).
"""

import sys

import numpy as np

from tenuto.tasks import SequenceRegressor

draw = np.random.default_rng(0)


def recordings(count):
    """[count] recordings of 30 to 60 steps of 0.1 s, one channel each; and their frequency (1/s) and damping (1/s), [count, 2]."""
    frequency, damping = draw.uniform(0.3, 1.5, count), draw.uniform(0.05, 0.8, count)
    times = [0.1 * np.arange(steps) for steps in draw.integers(30, 61, count)]
    phases = draw.uniform(0, 2 * np.pi, count)
    swings = [np.exp(-d * t) * np.cos(2 * np.pi * f * t + phase) + 0.05 * draw.normal(size=len(t)) for t, f, d, phase in zip(times, frequency, damping, phases)]
    return [one[:, None] for one in swings], np.column_stack([frequency, damping])


x, y = recordings(400)
x_new, y_new = recordings(200)
model = SequenceRegressor("gru", hidden_size=32, epochs=1 if "--small" in sys.argv else 30).fit(x, y)

print(f"R² on new recordings: {model.score(x_new, y_new):.3f}")
low, high = np.moveaxis(model.predict_interval(x_new, level=80), -1, 0)  # [200, 2] each
for predicted, measured, below, above in zip(model.predict(x_new)[:3], y_new, low, high):
    for name, *numbers in zip(("frequency", "damping"), predicted, below, above, measured):
        print("{}: predicted {:.2f} ({:.2f} to {:.2f}), measured {:.2f}".format(name, *numbers))
inside = ((low <= y_new) & (y_new <= high)).mean(0)
print(f"inside the 80 % interval: {inside[0]:.0%} of frequencies, {inside[1]:.0%} of dampings")
