"""What a network holds while it reads: states, gates, what its units stand for, the path of its states, the points where it rests.

In: what `explain` takes. Out: a `Held`, one `HeldLayer` for each recurrent layer and direction. `listening.py` hears the model's recurrent layers, whoever wrote them; `steps.py`
runs what it heard once more, step by step; `gates.py` finds the gates in the traced program. On the values stand one file each: openness, selectivity, trajectory, fixed points;
then the files on the disk, and the section of the page. Imports what `explain` imports, and of `explain` what runs a model (`subject.py` and above it in the order of reading).
"""

from tenuto.explain.held.door import states
from tenuto.explain.held.fixed_points import FixedPoint, FixedPoints
from tenuto.explain.held.held import Held, HeldLayer, load
from tenuto.explain.held.openness import Openness
from tenuto.explain.held.selectivity import Selectivity
from tenuto.explain.held.trajectory import Trajectory

__all__ = ["FixedPoint", "FixedPoints", "Held", "HeldLayer", "Openness", "Selectivity", "Trajectory", "load", "states"]
