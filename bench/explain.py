"""Whether explanations are right, where it is known what counts; and how fast they are.

    python bench/explain.py [--only SECTION ...] [--results FOLDER] [--smoke]

Sections:
    hmm         the state benchmark of Tonekaboni et al. 2020 and Crabbé, van der Schaar 2021, beside the published numbers; 50 minutes
    rectangles  boxes planted early, in the middle and late (after Ismail et al. 2020): which cells are found, by cell and method; 5 minutes
    arithmetic  the sum of two marked numbers far apart (after Arras et al. 2019): how much lies on them, and whether it is they; 5 minutes
    speed       contributions beside a backward pass, KernelSHAP beside that of shap, peak memory; 5 minutes

Writes results/explain.json and explain.md as soon as a part of a section is there; `--only` measures some sections and leaves the others as they are. One thread.
The section speed compares with the packages shap and captum where Python finds them (`pip install --no-deps --target FOLDER shap captum numba llvmlite slicer`, and
FOLDER in PYTHONPATH: neither changes the torch that is there); where it does not, the page says so. `--smoke`: everything at its smallest, nothing is written.
"""

from __future__ import annotations

from explanations import arithmetic, hmm, page, rectangles, speed
from speed import sections

SECTIONS: dict[str, sections.Section] = {
    "hmm": hmm.measure, "rectangles": rectangles.measure, "arithmetic": arithmetic.measure, "speed": speed.measure,
}  # fmt: skip


if __name__ == "__main__":
    sections.run("explain", __doc__, SECTIONS, page.markdown)
