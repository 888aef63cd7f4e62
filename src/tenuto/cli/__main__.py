"""`python -m tenuto.cli` does the same as `tenuto`."""

from tenuto.cli import app

if __name__ == "__main__":
    app(prog_name="tenuto")
