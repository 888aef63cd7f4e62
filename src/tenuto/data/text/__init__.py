"""Text: one long stream or documents; its symbols; its windows."""

from tenuto.data.text.text import Text, read_text

__all__ = ["Text", "read_text"]
