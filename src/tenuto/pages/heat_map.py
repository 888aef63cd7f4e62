"""A matrix as a picture: one pixel for each value, blue below zero, orange above, transparent at zero.

The size of a value is the pixel's opacity, so zero has the colour of the page, and the same picture fits a light and a dark
page. The picture is a PNG in a `data:` address, written here with nothing but zlib.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

BELOW, ABOVE = (38, 110, 196), (217, 95, 14)


def heat_map_address(values: np.ndarray, limit: float) -> str:
    """A `data:image/png` address of the matrix.

    Args:
        values: [rows, columns] float. Values that are not finite become fully transparent.
        limit: the size from which values have the full colour; above zero.
    Returns:
        Text for the `src` of an image, `columns` pixels wide and `rows` high, with the first row at the top.
    """
    values = np.asarray(values, dtype=np.float64)
    strength = np.clip(np.nan_to_num(np.abs(values), nan=0.0, posinf=0.0) / limit, 0.0, 1.0)
    pixels = np.empty((*values.shape, 4), dtype=np.uint8)  # [rows, columns, RGBA]
    pixels[..., :3] = np.where((values < 0)[..., None], BELOW, ABOVE)
    pixels[..., 3] = np.round(255 * strength**0.8)
    return "data:image/png;base64," + base64.b64encode(_png(pixels)).decode("ascii")


def similar_rows_together(rows: np.ndarray) -> np.ndarray:
    """An order of the rows in which similar rows are near each other.

    Rows are sorted by their angle in the plane of the two largest principal components over time.

    Args:
        rows: [H, T] float.
    Returns:
        [H] int, a permutation.
    """
    rows = np.nan_to_num(np.asarray(rows, dtype=np.float64))
    if min(rows.shape) < 2:
        return np.argsort(rows.mean(axis=1) if rows.size else np.zeros(len(rows)), kind="stable")
    left, sizes, _ = np.linalg.svd(rows, full_matrices=False)  # [H, K], [K], [K, T]
    return np.argsort(np.arctan2(left[:, 1] * sizes[1], left[:, 0] * sizes[0]), kind="stable")


def _png(pixels: np.ndarray) -> bytes:
    """[rows, columns, 4] uint8 as a PNG file.

    Source:     PNG specification (W3C, third edition): signature, IHDR, IDAT with filter byte 0 before each row, IEND.
    """
    rows, columns, _ = pixels.shape
    lines = b"".join(b"\0" + pixels[row].tobytes() for row in range(rows))
    header = struct.pack(">IIBBBBB", columns, rows, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body
