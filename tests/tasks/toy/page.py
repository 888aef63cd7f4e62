"""The page of the toy task: its head, and no section of its own."""

from tenuto.pages.opening import Headline, best_result, training_facts
from tenuto.pages.run import Page


def headline(run):
    shown, result = best_result(run.evaluation)
    return Headline("It adds up.", f"{result['loss']:.3f}", f"loss on {result['lines']} {shown} lines", "", training_facts(run.evaluation))


PAGE = Page(headline, ())
