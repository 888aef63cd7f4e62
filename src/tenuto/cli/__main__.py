"""`python -m tenuto.cli` is `tenuto`."""

from tenuto.cli import app

app(prog_name="tenuto")
