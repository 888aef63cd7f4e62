"""The card of the toy task."""

from tenuto.tasks.task import Choice, Task
from tests.tasks.toy.options import ToyOptions

TASK = Task(
    name="toy-sum",
    command="sum",
    help="Learn the sum of a line of numbers.",
    estimator="tests.tasks.toy.estimator:Summer",
    options=ToyOptions,
    data_help="Lines of numbers, the sum after a mark.",
    loss="square units a line",
    table=(("lines", "sequences"), ("numbers", "steps")),
    page="tests.tasks.toy.page:PAGE",
    splits="tests.tasks.toy.commands:splits",
    read="tests.tasks.toy.commands:read",
    predict="tests.tasks.toy.commands:predict",
    described="tests.tasks.toy.commands:described",
    said="tests.tasks.toy.commands:said",
    score="tests.tasks.toy.commands:score",
    columns=(Choice("sum_mark", "=", "What stands before the sum."),),
    asking=(Choice("digits", 3, "Behind the point.", least=0),),
    writers={".sums": "tests.tasks.toy.commands:sums"},
)
