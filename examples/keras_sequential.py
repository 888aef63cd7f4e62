"""A Keras program on tenuto: only its two import lines were changed (from `keras.models` and `keras.layers`).

Trains two relu LSTM layers on random data for 10 epochs, then prints which engine ran each of them. Takes a few seconds.
Needs Keras: pip install "tenuto[keras]".
"""

import numpy as np

from tenuto.keras.layers import LSTM, Dense
from tenuto.keras.models import Sequential

X = np.random.random((100, 20, 10))
y = np.random.random((100, 5))

model = Sequential()
model.add(LSTM(128, activation="relu", input_shape=(20, 10), return_sequences=True))
model.add(LSTM(64, activation="relu"))
model.add(Dense(5, activation="softmax"))
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
model.fit(X, y, epochs=10, batch_size=32)

for layer in model.layers[:2]:
    print(layer.engine_report())
