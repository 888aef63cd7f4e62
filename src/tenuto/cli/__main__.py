"""`python -m tenuto.cli` is `tenuto`."""

from . import app

app(prog_name="tenuto")
