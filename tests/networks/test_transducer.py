"""The loss of a transducer against the sum over every alignment, written out, and against published and counted numbers."""

import itertools
import math
import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tenuto.engines.cpp import transducer as compiled
from tenuto.errors import DataError, ShapeError
from tenuto.networks.transducer import BLANK, _TransducerLoss, transducer_loss


@pytest.fixture(autouse=True, params=[pytest.param("compiled", marks=pytest.mark.cpp), "torch"])
def form(request, monkeypatch):
    """Every test holds for both forms of the loss."""
    if request.param == "torch":
        monkeypatch.setattr(compiled, "runs", lambda logits: False)
    return request.param


def problem(frames, labels, symbols, *, spread=1.0, seed=0):
    """Random logits [T, B, U + 1, V] in float64, targets, and lengths."""
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(max(frames), len(frames), max(labels) + 1, symbols, generator=generator, dtype=torch.float64)
    targets = torch.randint(1, symbols, (len(labels), max(labels)), generator=generator)
    return logits, targets, torch.tensor(frames), torch.tensor(labels)


def every_alignment(logits, targets, frames, labels):
    """The loss of one row, logits [T, U + 1, V]: a symbol or a blank in each of T + U places, the last of them a blank."""
    known, ways = logits.log_softmax(2), []
    for places in itertools.combinations(range(frames + labels - 1), labels):
        frame, written, way = 0, 0, 0.0
        for place in range(frames + labels):
            if place in places:
                way, written = way + known[frame, written, targets[written]], written + 1
            else:
                way, frame = way + known[frame, written, BLANK], frame + 1
        ways.append(way)
    return -torch.stack(ways).logsumexp(0)


def cell_by_cell(logits, targets, frames, labels):
    """The losses, [B]: each cell of the lattice from the two before it."""
    known = logits.log_softmax(3)
    symbols = known[:, :, :-1].gather(3, targets[None, :, :, None].expand(len(known), -1, -1, 1))[..., 0]
    blanks, symbols = ([step.unbind(1) for step in each.unbind()] for each in (known[..., BLANK], symbols))  # [t][u], each [B]
    sums = {}
    for step, place in itertools.product(range(logits.shape[0]), range(logits.shape[2])):
        ways = [sums[step - 1, place] + blanks[step - 1][place]] if step else []
        ways += [sums[step, place - 1] + symbols[step][place - 1]] if place else []
        sums[step, place] = torch.stack(ways).logsumexp(0) if ways else known.new_zeros(logits.shape[1])
    return torch.stack([-sums[step - 1, place][row] - blanks[step - 1][place][row] for row, (step, place) in enumerate(zip(frames.tolist(), labels.tolist()))])


def with_gradient(function, logits, *others):
    leaf = logits.detach().clone().requires_grad_()
    losses = function(leaf, *others)
    losses.sum().backward()
    return losses.detach(), leaf.grad


@pytest.mark.parametrize("spread", [0.0, 1.0, 8.0])
@pytest.mark.parametrize(("frames", "labels", "symbols"), [([1], [0], 2), ([1, 1], [3, 1], 4), ([4, 1, 3], [2, 3, 0], 3), ([5, 5, 2, 4], [4, 1, 4, 0], 6), ([6], [1], 30)])
def test_against_every_alignment(frames, labels, symbols, spread):
    logits, targets, *lengths = problem(frames, labels, symbols, spread=spread)

    def expected(logits, *_):
        return torch.stack([every_alignment(logits[:, row], targets[row], frames[row], labels[row]) for row in range(len(frames))])

    losses, gradient = with_gradient(expected, logits)
    ours = with_gradient(transducer_loss, logits, targets, *lengths)
    torch.testing.assert_close(ours, (losses, gradient), rtol=1e-12, atol=1e-12)
    single = with_gradient(transducer_loss, logits.float(), targets, *lengths)
    torch.testing.assert_close(single, (losses.float(), gradient.float()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("spread", [1.0, 5.0])
def test_long_recordings_in_float32(spread):
    logits, targets, *lengths = problem([150, 140, 31, 150], [20, 20, 3, 0], 30, spread=spread)
    losses, gradient = with_gradient(cell_by_cell, logits, targets, *lengths)
    ours = with_gradient(transducer_loss, logits, targets, *lengths)
    torch.testing.assert_close(ours, (losses, gradient), rtol=1e-10, atol=1e-12)
    single = logits.float()
    losses, gradient = with_gradient(cell_by_cell, single.double(), targets, *lengths)
    ours, ours_gradient = with_gradient(transducer_loss, single, targets, *lengths)
    torch.testing.assert_close(ours, losses.float(), rtol=1e-6, atol=1e-5)
    torch.testing.assert_close(ours_gradient, gradient.float(), rtol=0, atol=1e-5)


def test_gradients():
    logits, targets, *lengths = problem([4, 2, 3], [2, 3, 0], 4)
    torch.autograd.gradcheck(lambda logits: transducer_loss(logits, targets, *lengths), logits.requires_grad_())


def test_published_numbers():
    """warp-transducer's own test, to which other libraries compare: https://github.com/HawkAaron/warp-transducer."""
    logits = torch.full((2, 1, 3, 5), 0.1)
    logits[0, 0, 0, 1] = logits[0, 0, 1, 2] = logits[1, 0, 0, 1] = 0.6
    logits[0, 0, 2, 2:4] = torch.tensor([0.2, 0.8])
    logits[1, 0, 1:, 2] = 0.2
    logits[1, 0, 2, 0] = 0.7
    loss, gradient = with_gradient(transducer_loss, logits, torch.tensor([[1, 2]]), torch.tensor([2]), torch.tensor([2]))
    assert loss.item() == pytest.approx(4.495666, rel=1e-6)
    expected = [
        [[-0.13116688, -0.3999269, 0.17703125, 0.17703125, 0.17703125], [-0.18572757, 0.12247056, -0.18168412, 0.12247056, 0.12247056], [-0.32091254, 0.06269141, 0.06928472, 0.12624499, 0.06269141]],
        [[0.05456069, -0.21824276, 0.05456069, 0.05456069, 0.05456069], [0.12073959, 0.12073959, -0.48295835, 0.12073959, 0.12073959], [-0.6925882, 0.16871116, 0.18645467, 0.16871116, 0.16871116]],
    ]
    torch.testing.assert_close(gradient[:, 0], torch.tensor(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("frames", "labels", "symbols"), [(150, 20, 30), (1, 40, 3), (400, 1, 11)])
def test_where_all_symbols_are_as_likely_alignments_are_counted(frames, labels, symbols):
    targets = torch.ones(1, labels, dtype=torch.int64)
    loss = transducer_loss(torch.zeros(frames, 1, labels + 1, symbols), targets, torch.tensor([frames]), torch.tensor([labels]))
    assert loss.item() == pytest.approx((frames + labels) * math.log(symbols) - math.log(math.comb(frames + labels - 1, labels)), rel=1e-6)


def test_without_symbols_it_is_that_of_all_blanks():
    logits, targets, *lengths = problem([5, 3], [0, 0], 4)
    losses, gradient = with_gradient(transducer_loss, logits, targets, *lengths)
    known = logits.log_softmax(3)[:, :, 0]
    torch.testing.assert_close(losses, torch.stack([-known[:5, 0, BLANK].sum(), -known[:3, 1, BLANK].sum()]))
    expected = known.exp()
    expected[..., BLANK] -= 1
    expected[3:, 1] = 0
    torch.testing.assert_close(gradient[:, :, 0], expected)


def test_padding_is_never_read_and_rows_do_not_touch_each_other():
    logits, targets, frames, labels = problem([6, 2, 4], [3, 1, 0], 5)
    losses, gradient = with_gradient(transducer_loss, logits, targets, frames, labels)
    padded, other = logits.clone(), targets.clone()
    for row, (frame, label) in enumerate(zip(frames.tolist(), labels.tolist())):
        padded[frame:, row] = padded[:, row, label + 1 :] = float("nan")
        other[row, label:] = -1
        alone = with_gradient(transducer_loss, logits[:frame, row : row + 1, : label + 1], targets[row : row + 1, :label], frames[row : row + 1], labels[row : row + 1])
        torch.testing.assert_close(alone, (losses[row : row + 1], gradient[:frame, row : row + 1, : label + 1]))
        assert not gradient[frame:, row].any() and not gradient[:, row, label + 1 :].any()
    again = with_gradient(transducer_loss, padded, other, frames, labels)
    torch.testing.assert_close(again, (losses, gradient), rtol=0, atol=0)


def test_a_text_that_cannot_be_has_no_gradient():
    logits, targets, *lengths = problem([3, 3], [2, 2], 4)
    logits[:, 0, :, targets[0, 0]] = float("-inf")
    losses, gradient = with_gradient(transducer_loss, logits, targets, *lengths)
    assert losses.isinf().tolist() == [True, False] and not gradient[:, 0].any() and gradient[:, 1].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [1e2, 1e4, 1e16, 1e30])
def test_logits_of_any_size_have_finite_losses_and_gradients(dtype, spread):
    for seed in range(4):
        logits, targets, *lengths = problem([4, 1, 3, 1], [2, 1, 0, 0], 5, spread=spread, seed=seed)
        losses, gradient = with_gradient(transducer_loss, logits.to(dtype), targets, *lengths)
        expected, exact = with_gradient(cell_by_cell, logits.to(dtype).double(), targets, *lengths)
        torch.testing.assert_close(losses.double(), expected, rtol=1e-6, atol=1e-6)
        assert gradient.isfinite().all() and gradient.abs().max() <= 1
        if spread <= 1e4:
            torch.testing.assert_close(gradient.double(), exact, rtol=0, atol=1e-5)


def test_arcs_that_cannot_be_taken():
    """A blank of probability zero: every way around it is counted, and nothing is not a number."""
    logits, targets, *lengths = problem([4, 1, 3], [2, 1, 0], 5)
    logits[:, 0, 0, BLANK] = float("-inf")  # so the first symbol is written in the first frame
    losses, gradient = with_gradient(transducer_loss, logits, targets, *lengths)
    expected = [every_alignment(logits[:, row], targets[row], frames, labels) for row, (frames, labels) in enumerate(zip(*(each.tolist() for each in lengths)))]
    torch.testing.assert_close(losses, torch.stack(expected))
    assert gradient.isfinite().all()
    assert not gradient[1:, 0, 0].any()


def test_logits_of_16_bits():
    logits, targets, *lengths = problem([9, 5], [3, 2], 6)
    rough = logits.bfloat16()
    losses, gradient = with_gradient(transducer_loss, rough, targets, *lengths)
    assert losses.dtype == torch.float32 and gradient.dtype == torch.bfloat16
    expected, exact = with_gradient(transducer_loss, rough.double(), targets, *lengths)
    torch.testing.assert_close(losses, expected.float())
    torch.testing.assert_close(gradient.double(), exact, rtol=0, atol=2e-2)


@pytest.mark.parametrize("form", [pytest.param("compiled", marks=pytest.mark.cpp)], indirect=True)  # both are called here
def test_both_forms_give_the_same():
    assert not compiled.runs(torch.zeros(2, 3, 4, 5).transpose(0, 1))
    generator = torch.Generator().manual_seed(1)
    for number in range(20):  # symbols that are fewer than a vector's lanes, as many, and more; texts of any length beside each other
        sizes = [int(torch.randint(1, most, (), generator=generator)) for most in (6, 40, 24)]
        frames, labels = ([int(each) for each in torch.randint(least, most + 1, (sizes[0],), generator=generator)] for least, most in ((1, sizes[1]), (0, sizes[2])))
        logits, targets, *lengths = problem(frames, labels, 2 + int(torch.randint(0, 70, (), generator=generator)), spread=3.0, seed=number)
        for dtype, least in ((torch.float64, 1e-11), (torch.float32, 1e-5)):
            given = logits.to(dtype)
            assert compiled.runs(given) and not compiled.runs(given.half())
            ours = with_gradient(transducer_loss, given, targets, *lengths)
            theirs = with_gradient(lambda *all: _TransducerLoss.apply(*all), given, targets, *lengths)
            torch.testing.assert_close(ours, theirs, rtol=least, atol=least)


class Held(TorchDispatchMode):
    """Counts the bytes of the tensors that are made while it is on: those held now, and the most at once."""

    def __init__(self):
        super().__init__()
        self.now = self.most = 0
        self.known = set()

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        made = function(*arguments, **(keywords or {}))
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(tensor, torch.Tensor) and (storage := tensor.untyped_storage()).data_ptr() not in self.known and not self._given(storage, arguments):
                self.known.add(storage.data_ptr())
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self._gone, storage.data_ptr(), storage.nbytes())
        return made

    @staticmethod
    def _given(storage, arguments):
        return any(isinstance(given, torch.Tensor) and given.untyped_storage().data_ptr() == storage.data_ptr() for given in arguments)

    def _gone(self, address, size):
        self.known.discard(address)
        self.now -= size


@pytest.mark.parametrize(("rows", "frames", "labels", "symbols"), [(16, 150, 20, 30), (2, 40, 5, 24), (1, 300, 60, 500)])
def test_memory_beside_the_logits(rows, frames, labels, symbols):
    logits, targets, *lengths = problem([frames] * rows, [labels] * rows, symbols)
    leaf = logits.float().requires_grad_()
    size = leaf.numel() * leaf.element_size()
    with Held() as held:
        transducer_loss(leaf, targets, *lengths).sum().backward()
    assert size < held.most <= 1.2 * size
    assert held.now < 1.02 * size  # the gradient is left
    with Held() as plain:
        leaf.log_softmax(3).exp().sum().backward()
    assert plain.most >= 3 * size  # what is counted: two results, and their gradients


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"logits": torch.zeros(3, 2, 3)}, ShapeError, "logits are not those of a transducer"),
        ({"logits": torch.zeros(3, 2, 3, 1)}, ShapeError, "V of 2 or more"),
        ({"targets": torch.ones(2, 3, dtype=torch.int64)}, ShapeError, "targets do not fit"),
        ({"frames": torch.tensor([3, 0])}, ShapeError, "frames do not fit"),
        ({"frames": torch.tensor([3, 4])}, ShapeError, r"expected  \[2\] int, 1..3"),
        ({"labels": torch.tensor([3, 1])}, ShapeError, "numbers of symbols do not fit"),
        ({"labels": torch.tensor([1.0, 1.0])}, ShapeError, "numbers of symbols do not fit"),
        ({"targets": torch.tensor([[1, 0], [1, 2]])}, DataError, "a target is no symbol"),
        ({"targets": torch.tensor([[1, 4], [1, 2]])}, DataError, "received  4"),
    ],
)
def test_what_does_not_fit(change, error, words):
    given = {"logits": torch.zeros(3, 2, 3, 4), "targets": torch.tensor([[1, 2], [1, 2]]), "frames": torch.tensor([3, 2]), "labels": torch.tensor([2, 1])}
    with pytest.raises(error, match=words):
        transducer_loss(**{**given, **change})
