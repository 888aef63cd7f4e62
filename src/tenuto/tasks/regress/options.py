"""The options of `SequenceRegressor`."""

from __future__ import annotations

from tenuto.tasks.channel_options import ChannelOptions
from tenuto.tasks.option import options


@options(select_by="validation_rmse")
class RegressOptions(ChannelOptions):
    """The options of every estimator over channels, which are those of `SequenceRegressor`."""
