"""Text, one long stream or documents: read, turned into numbers, and cut into windows."""

from tenuto.data.text.text import Text, read_text

__all__ = ["Text", "read_text"]
