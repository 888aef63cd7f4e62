"""`keras.saving`, with a `load_model` that puts recurrent layers on tenuto's engines."""

from keras.saving import *  # noqa: F403

from tenuto.keras.models import load_model
