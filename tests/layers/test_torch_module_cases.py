"""PyTorch's own cases for its recurrent modules, from the installed wheel, run on ours in float64: all of them.

An input case has arguments for the constructor and the call, and usually a reference function; an error case has an error type and a pattern.
"""

import re
import warnings

import pytest
import torch

import tenuto

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_modules import module_db

NAMES = ("RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell")
INFOS = {info.module_cls.__name__: info for info in module_db if info.module_cls in [getattr(torch.nn, name) for name in NAMES]}
OPTIONS = {"device": "cpu", "dtype": torch.float64, "requires_grad": False}
INPUTS = [(name, case) for name, info in INFOS.items() for case in info.module_inputs_func(info, training=False, **OPTIONS)]
ERRORS = [
    (name, case)
    for name, info in INFOS.items()
    if info.module_error_inputs_func
    for case in info.module_error_inputs_func(info, training=False, **OPTIONS)
]


def build(name, case):
    given = case.constructor_input
    return getattr(tenuto, name)(*given.args, **given.kwargs).double()


def call(module, case):
    return module(*case.forward_input.args, **case.forward_input.kwargs)


def saying(description):
    return lambda text: f"{description}: {text}"


# What torch's own list has for these modules: input cases, and error cases.
COUNTS = {"2.6": (87, 22), "2.13": (87, 58)}


def test_all_cases_of_this_torch_are_here():
    assert set(INFOS) == set(NAMES)
    expected = COUNTS.get(".".join(torch.__version__.split(".")[:2]), COUNTS["2.13"])
    assert (len(INPUTS), len(ERRORS)) == expected, "this torch has other cases: look at them, then enter their counts"


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", NAMES)
def test_inputs_against_their_reference_functions(name, training):
    for case in [case for other, case in INPUTS if other == name]:
        ours = build(name, case).train(training)
        theirs = getattr(torch.nn, name)(*case.constructor_input.args, **case.constructor_input.kwargs).double().train(training)
        theirs.load_state_dict(ours.state_dict())
        output = call(ours, case)
        torch.testing.assert_close(output, call(theirs, case), msg=saying(case.desc))
        if case.reference_fn:
            expected = case.reference_fn(ours, *case.forward_input.args, **case.forward_input.kwargs)
            torch.testing.assert_close(output, expected, msg=saying(case.desc))


@pytest.mark.parametrize("name", NAMES)
def test_error_inputs(name):
    for error in [error for other, error in ERRORS if other == name]:
        with pytest.raises(error.error_type) as caught:
            call(build(name, error.module_error_input), error.module_error_input)
        assert re.search(error.error_regex, str(caught.value)), (error.error_regex, str(caught.value))
