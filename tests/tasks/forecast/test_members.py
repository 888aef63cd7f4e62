"""Several networks as one forecaster: their quantiles are averaged, and every room takes it as one."""

import numpy as np
import pandas as pd
import pytest
import torch

import tenuto
from tenuto.data.series.windows import Windows
from tenuto.errors import ArgumentError
from tenuto.networks.members import Averaged, Members
from tenuto.tasks import Forecaster
from tests.tasks.forecast.test_estimator import SMALL, frame


@pytest.fixture(scope="module")
def fitted():
    given = frame()
    return Forecaster(h=4, members=3, **SMALL).fit(given), given


def test_the_answer_is_the_mean_of_the_members_(fitted):
    model, given = fitted
    network = model.network_.eval()
    assert isinstance(network.encoder, Members) and isinstance(network.head, Averaged) and network.encoder.output_width == 18
    batch = next(iter(model.inputs(given)))
    with torch.no_grad():
        own = []
        for encoder, head in zip(network.encoder.members, network.head.members):
            last = encoder(batch.x, lengths=batch.lengths).output[batch.places, torch.arange(len(batch.lengths))]
            own.append(head(last, torch.cat([batch.ahead, ((batch.base - batch.base[..., :1]) / batch.scale[..., None]).float()[..., None]], -1)))
        torch.testing.assert_close(network(batch), torch.stack(own).mean(0))
    assert not torch.equal(own[0], own[1])
    found = model.predict(given, quantiles=np.linspace(0.025, 0.975, 39)).to_numpy()[:, 3:].astype(float)
    assert (np.diff(found, axis=1) >= 0).all()


def test_each_learns_as_if_it_were_alone(fitted):
    """The loss is the mean of the members' losses: the gradient of one does not depend on the others."""
    model, given = fitted
    windows = Windows(model._read(given), model.reader_, 4)
    made = windows.batch(windows.asked(None))
    network = model.network_.train()
    network.zero_grad()
    torch.manual_seed(0)
    found, there = model._losses(network, made)
    assert found.shape == there.shape == made.targets.shape
    found.sum().backward()
    first = {name: weight.grad.clone() for name, weight in network.named_parameters() if ".members.0." in name}
    network.zero_grad()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if ".members.0." not in name:
                weight.mul_(0.5)
    torch.manual_seed(0)
    model._losses(network, made)[0].sum().backward()
    again = {name: weight.grad for name, weight in network.named_parameters() if ".members.0." in name}
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if ".members.0." not in name:
                weight.mul_(2)
    network.zero_grad()
    network.eval()
    for name, gradient in first.items():
        torch.testing.assert_close(again[name], gradient, rtol=0, atol=0)


def test_bits_and_rooms(fitted, tmp_path):
    model, given = fitted
    together = model.predict(given).set_index("unique_id")
    for name, own in given.groupby("unique_id"):
        pd.testing.assert_frame_equal(model.predict(own).set_index("unique_id"), together.loc[[name]], check_exact=True)
    model.memory_ = model._memory(model._read(given[given.ds < "2024-02-20"]))
    model.update(given[given.ds >= "2024-02-20"])
    pd.testing.assert_frame_equal(model.predict(), model.predict(given), check_exact=True)
    again = Forecaster.load(model.save(tmp_path / "run", test=given))
    pd.testing.assert_frame_equal(again.predict(given), model.predict(given), check_exact=True)
    assert np.isfinite(tenuto.compress(model, weights="int8").predict(given).Forecaster).all()
    found = tenuto.export(model, tmp_path / "exported")
    assert list(found.files) == ["sequence", "step"] and found.worst < 1e-5
    explained = tenuto.explain(model, given[given.unique_id == "s0"], target=(-1, None))
    assert np.isfinite(np.concatenate([np.ravel(one) for one in explained.values])).all()


def test_a_density_has_no_members():
    with pytest.raises(ArgumentError, match=r"fit: members=2 and head='density' exclude each other"):
        Forecaster(members=2, head="density").fit(frame(2, 40))
