"""The pool of memory, and which memory a call owns."""

from __future__ import annotations

import gc
import threading

import pytest
import torch

from tenuto import Recurrent, cells
from tenuto.engines.cpp import pool, tune
from tenuto.engines.cpp.allowance import allowed_bytes
from tenuto.engines.cpp.pool import Pool
from tenuto.engines.problem import Form
from tenuto.errors import ArgumentError
from tests.engines.cpp.posing import ENGINE, cotangents, floats, ours, pose


def test_blocks_are_used_again_and_bounded():
    here = Pool(limit_bytes=8 << 20)
    first = here.empty(1 << 19, 2, torch.float32)  # 4 MB
    address = first.data_ptr()
    assert here.report().used_bytes == 4 << 20
    part = first[:10]  # a view keeps the block
    del first
    assert here.report().free_blocks == 0
    del part
    gc.collect()
    assert here.report().free_bytes == 4 << 20
    assert here.empty(1 << 19, 2, torch.float32).data_ptr() == address
    several = [here.empty(1 << 20, 1, torch.float64) for _ in range(4)]  # 8 MB each
    del several
    gc.collect()
    assert here.report().free_bytes <= 8 << 20
    here.clear()
    assert here.report().free_blocks == 0


def test_idle_blocks_go_back_at_a_later_call():
    now = [0.0]
    here = Pool(limit_bytes=64 << 20, idle_seconds=10.0, clock=lambda: now[0])
    kept = [here.empty(1 << 20, 1, torch.float32) for _ in range(3)]
    kept.append(here.empty(1 << 21, 1, torch.float64))
    kept.clear()
    gc.collect()
    assert here.report().free_bytes == (3 * 4 + 16) << 20
    for now[0] in (4.0, 8.0, 12.0):  # one block is in use all the time
        here.empty(1 << 20, 1, torch.float32)
    assert here.report().free_bytes == 4 << 20
    now[0] = 30.0
    kept.append(here.empty(1 << 18, 4, torch.float64))  # of another size, so the free block cannot be used
    assert here.report().free_blocks == 0


def test_a_block_larger_than_the_limit_removes_no_other():
    here = Pool(limit_bytes=8 << 20)
    here.empty(1 << 20, 1, torch.float32)
    here.empty(1 << 22, 1, torch.float32)
    assert here.report().free_bytes == 4 << 20


def test_blocks_begin_where_huge_pages_do():
    here = Pool(limit_bytes=0)
    several = [here.empty(1 << 18, 5, torch.float32) for _ in range(4)]
    assert all(tensor.data_ptr() % (1 << 21) == 0 for tensor in several)


@pytest.mark.parametrize(
    ("allowed", "limit"), [(None, pool.MOST // 4), (1 << 30, 1 << 26), (1 << 36, pool.MOST)], ids=["unknown", "container", "large"]
)
def test_the_pools_limit_follows_what_the_process_may_use(allowed, limit, monkeypatch):
    monkeypatch.delenv(pool.ENVIRONMENT, raising=False)
    monkeypatch.setattr(pool, "allowed_bytes", lambda: allowed)
    pool.shared.cache_clear()
    assert pool.shared().limit_bytes == limit
    monkeypatch.setenv(pool.ENVIRONMENT, "12345")
    pool.shared.cache_clear()
    assert pool.shared().limit_bytes == 12345
    monkeypatch.undo()
    pool.shared.cache_clear()


SMALL, SMALLER = 48 << 20, 32 << 20


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/a/b", {"a/memory.max": SMALL, "a/b/memory.max": "max", "memory.max": "max"}, SMALL),
        ("0::/a/b", {"a/memory.max": SMALL, "a/b/memory.max": SMALLER}, SMALLER),
        ("0::/", {"memory.max": SMALL}, SMALL),
        ("0::/not/seen/from/here", {"memory.max": SMALL}, SMALL),
        ("4:memory:/a\n3:cpu:/\n0::/", {"memory/a/memory.limit_in_bytes": SMALL, "memory/memory.limit_in_bytes": 9223372036854771712}, SMALL),
        ("4:cpu,memory:/not/seen", {"memory/memory.limit_in_bytes": SMALL}, SMALL),
        ("4:memory:/\n0::/x:y", {"memory/memory.limit_in_bytes": SMALL, "unified/x:y/memory.max": SMALLER}, SMALLER),
        ("0::/", {"memory.max": "max"}, None),
        ("3:cpu:/a", {}, None),
        (None, {"memory.max": SMALL}, None),
    ],
)
def test_the_limit_of_a_container_is_seen(groups, files, limit, tmp_path):
    if groups is not None:
        (tmp_path / "proc" / "self").mkdir(parents=True)
        (tmp_path / "proc" / "self" / "cgroup").write_text(f"{groups}\n")
    for name, value in files.items():
        file = tmp_path / "sys" / "fs" / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
    assert allowed_bytes(tmp_path) == (limit or allowed_bytes(tmp_path / "nothing"))


@pytest.mark.cpp
def test_a_training_loop_maps_memory_once(monkeypatch):
    form = Form(cells.LSTM())
    inputs = pose(form, (100, 64, 32, 128), torch.float32)
    ours(form, inputs)
    mapped, before = [], pool._mapped
    monkeypatch.setattr(pool, "_mapped", lambda size: (mapped.append(size), before(size))[1])
    for _ in range(3):
        ours(form, inputs)
    assert not mapped


def test_small_tensors_are_not_pooled():
    here = Pool(limit_bytes=1 << 20)
    here.empty(4, 4, torch.float32)
    assert here.report().used_bytes == here.report().free_bytes == 0


def test_wrong_limit_is_named(monkeypatch):
    monkeypatch.setenv(pool.ENVIRONMENT, "much")
    pool.shared.cache_clear()
    with pytest.raises(ArgumentError, match="TENUTO_POOL_BYTES is 'much'"):
        pool.shared()
    monkeypatch.undo()
    pool.shared.cache_clear()


def test_wrong_split_is_named(monkeypatch):
    monkeypatch.setenv(tune.ENVIRONMENT, "columns")
    tune.forced.cache_clear()
    with pytest.raises(ArgumentError, match="TENUTO_CPP_SPLIT is 'columns'"):
        tune.ways(4, 2, True, 0)


def test_the_fastest_way_is_chosen_and_the_others_are_measured_again():
    ways = tune.ways(4, 2, True, 0)
    assert ways == (tune.Way(1, False), tune.Way(2, False), tune.Way(2, True))
    cost = dict(zip(ways, (3.0, 1.0, 2.0)))
    chosen, record = [], tune.Record(ways)
    for _ in range(120):
        way = record.choose(1000)
        record.learn(way, cost[way])
        chosen.append(way)
    assert {way: chosen[:9].count(way) for way in ways} == dict.fromkeys(ways, 3)
    assert set(chosen[9:18]) == {ways[1]}
    looks = [turn for turn, way in enumerate(chosen) if turn >= 9 and way != ways[1]]
    assert {chosen[turn] for turn in looks} == {ways[0], ways[2]} and all(b - a > tune.PERIOD for a, b in zip(looks, looks[1:]))  # one call each: they are slower
    for way in ways:
        cost[way] = 4.0 - cost[way]  # now one thread is the fastest
    for _ in range(3000):
        way = record.choose(1000)
        record.learn(way, cost[way])
    assert record.choose(1000) == ways[0]


def test_channels_are_shared_where_the_rows_are_few_or_the_weights_many():
    by_units = tune.Way(2, True)
    assert by_units in tune.ways(23, 2, True, 0) and by_units not in tune.ways(24, 2, True, 0)
    assert by_units in tune.ways(128, 2, True, tune.MANY_WEIGHTS) and by_units not in tune.ways(128, 2, False, tune.MANY_WEIGHTS)


def test_what_was_slow_beside_other_work_is_soon_the_fastest_again():
    ways = tune.ways(64, 2, False, 0)
    record, chosen = tune.Record(ways), []
    for turn in range(60):
        way = record.choose(1000)
        record.learn(way, 2.0 if way.threads == 1 else 5.0 if turn < 12 else 1.0)
        chosen.append(way.threads)
    assert chosen[6:12] == [1] * 6
    assert chosen[18:] == [2] * 42 or chosen[18:].count(1) <= 2


@pytest.mark.cpp
def test_calls_from_several_threads_at_once():
    form = Form(cells.LSTM())
    posed = [pose(form, (30, 9, 7, 40), torch.float32, seed=k) for k in range(4)]
    expected = [ENGINE.forward(form, inputs, False).output for inputs in posed]
    wrong = []

    def work(k):
        for _ in range(10):
            if not torch.equal(ENGINE.forward(form, posed[k], False).output, expected[k]):
                wrong.append(k)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.cpp
def test_results_do_not_change_when_the_next_call_runs():
    form = Form(cells.GRU())
    first = pose(form, (40, 64, 8, 64), torch.float32)
    result, gradients = ours(form, first)
    kept = [result.output.clone(), {name: value.clone() for name, value in gradients.items()}]
    ours(form, pose(form, (40, 64, 8, 64), torch.float32, seed=3))
    assert torch.equal(result.output, kept[0])
    for name, value in gradients.items():
        assert torch.equal(value, kept[1][name]), name


@pytest.mark.cpp
@pytest.mark.parametrize("cell", [cells.LSTM(), cells.GRU(), cells.ProjectionLSTM(3)], ids=repr)
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
def test_what_is_kept_for_backward_has_no_padding(cell, reverse):
    form = Form(cell, lengths=True, reverse=reverse)
    inputs = pose(form, (40, 7, 5, 6), torch.float32)
    inputs["lengths"] = torch.tensor([1, 2, 40, 0, 1, 1, 3])
    short = ENGINE.forward(form, inputs, True)
    assert {len(kept) for kept in short.saved} == {48}
    told = ENGINE.forward(form, inputs, True, foretold=True)  # as a graph is promised, which knows no lengths
    assert [kept.shape for kept in told.saved] == [kept.shape for kept in ENGINE.empty(form, inputs, True).saved]
    several = [ENGINE.backward(form, inputs, result, *cotangents(form, inputs), floats(inputs)) for result in (short, told)]
    for name, gradient in several[0].items():
        assert torch.equal(gradient, several[1][name]), name


@pytest.mark.cpp
def test_weights_changed_between_forward_and_backward_are_an_error():
    layer = Recurrent(cells.LSTM(), 3, 4, engine="cpp")
    output = layer(torch.randn(5, 2, 3)).output
    with torch.no_grad():
        next(layer.parameters()).add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.sum().backward()


@pytest.mark.cpp
def test_gradients_to_any_order_and_of_each_sample():
    layer = Recurrent(cells.LSTM(activation="relu"), 3, 4, engine="cpp").double()
    names, values = zip(*layer.named_parameters())
    x = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)

    def run(x, *values):
        return torch.func.functional_call(layer, dict(zip(names, values)), (x,))[0]

    assert torch.autograd.gradcheck(run, (x, *values))
    assert torch.autograd.gradgradcheck(run, (x, *values))
    loss = lambda values, sample: run(sample[:, None], *values).square().sum()  # noqa: E731
    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 1))(tuple(v.detach() for v in values), x.detach())
    for k in range(2):
        alone = torch.autograd.grad(loss(values, x[:, k]), values)
        for a, b in zip(each, alone):
            torch.testing.assert_close(a[k], b)


@pytest.mark.cpp
def test_compiled_and_under_autocast():
    layer = Recurrent(cells.ResetBeforeGRU(), 3, 4, engine="cpp")
    x = torch.randn(5, 2, 3)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x)[0], layer(x)[0])
    weights = list(layer.parameters())
    torch.testing.assert_close(torch.autograd.grad(compiled(x)[0].sum(), weights), torch.autograd.grad(layer(x)[0].sum(), weights))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(layer(x)[0].float(), compiled(x)[0].float(), atol=0.02, rtol=0.02)


def test_short_calls_stay_on_one_thread():
    ways = tune.ways(4, 2, True, 0)
    record = tune.Record(ways)
    for _ in range(20):
        way = record.choose(10)
        assert way == ways[0]
        record.learn(way, 1e-6)
