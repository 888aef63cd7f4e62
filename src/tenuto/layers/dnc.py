"""`DNC`: a Differentiable Neural Computer as an encoder. It knows which rows of its memory are free, and in which order they were written.

Letters: T time, B batch, I input, H hidden size of the controller, N rows of the memory, M their width, R read heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tenuto.cell import Cell
from tenuto.engines.cpp.access import Heads
from tenuto.layers.addressing import Interface, allocated, by_content, oneplus, sharpened
from tenuto.layers.masks import check_size
from tenuto.layers.memory import ControlledMemory, detached


class DNCState(NamedTuple):
    """All that a DNC keeps from step to step.

    Attributes:
        memory: [B, N, M]. reads: [B, R, M], the vectors read. read_weights: [B, R, N]. write_weights: [B, N]. usage: [B, N], from 0, free, to 1.
        link: [B, N, N], how far row i was written right after row j; [B, 0, 0] without links. precedence: [B, N], which row was written last; [B, 0] without links.
        controller: the state of its layer, a named tuple of [L, B, W].
    """

    memory: Tensor
    reads: Tensor
    read_weights: Tensor
    write_weights: Tensor
    usage: Tensor
    link: Tensor
    precedence: Tensor
    controller: Any

    @property
    def rows_first(self) -> tuple[str, ...]:
        """The tensors whose first axis is B (`rows.py`): all."""
        return self._fields

    def detach(self) -> DNCState:
        """The same values without their history."""
        return detached(self)  # type: ignore[no-any-return]


class DNC(ControlledMemory):
    """A Differentiable Neural Computer as an encoder: T steps at once, in chunks, and as a stream are the same.

    Equations (in the order of Graves et al. 2016, Methods, who do not number them all; the controller reads [x_t, r_{t-1}], and all else of a step follows from its output h_t;
    * is by elements, K the cosine with e = 1e-6 inside the root, oneplus(x) = 1 + log(1 + e^x)):
        (1)  C(M, k, b, m)(i) = softmax_i(b K(k * m, M(i) * m))              b = oneplus, m = sigmoid; m = 1 without `masked`
        (2)  p_t = prod_r (1 - f_r w_r,t-1)                                  what is kept; f = sigmoid
        (3)  u_t = (u_{t-1} + w_w,t-1 - u_{t-1} * w_w,t-1) * p_t             usage
        (4)  a_t[j-th] = (1 - u_t[j-th]) prod_{i < j} u_t[i-th]              rows sorted by usage, least first
        (5)  w_w,t = g_w (g_a a_t + (1 - g_a) C(M_{t-1}, k_w, b_w, m_w))     gates: sigmoid
        (6)  M_t = (M_{t-1} * p_t) * (1 - w_w,t e_t) + w_w,t v_t             e = sigmoid; without `deallocating`, M_{t-1} is not multiplied by p_t
        (7)  q_t = (1 - sum_i w_w,t(i)) q_{t-1} + w_w,t                      precedence
        (8)  L_t[i, j] = (1 - w_w,t(i) - w_w,t(j)) L_{t-1}[i, j] + w_w,t(i) q_{t-1}(j), L_t[i, i] = 0
        (9)  forward = S(L_t w_r,t-1, s_f), backward = S(L_t^T w_r,t-1, s_b)   S(d, s)(i) = d(i)^s / sum_j d(j)^s, s = oneplus; without `sharpened_links` S(d, s) = d
        (10) w_r,t = n_1 backward + n_2 C(M_t, k_r, b_r, m_r) + n_3 forward  n = softmax; without `links`, w_r,t = C(...)
        (11) r_t = M_t^T w_r,t                                               for each read head
        output_t = [h_t, r_t]
    Args:
        cell: of the controller, any without streams. input_size: I. hidden_size: H.
        rows: N. width: M. read_heads: R.
        links: whether the order of writing is kept, which takes N * N numbers a row of the batch.
        masked, deallocating, sharpened_links: the three changes of Csordás & Schmidhuber 2019; without all three it is the DNC of 2016.
        num_layers: of the controller.
        learned_memory: the memory at the beginning is a parameter; else it is zero.
        batch_first, engine, device, dtype: as in `Recurrent`; the engine is the controller's.
    Attributes:
        output_width: the controller's plus R * M.
    Raises:
        ArgumentError, CellError, TraceError: at construction, where an option or the cell is wrong.
    Source:     Graves et al. 2016, "Hybrid computing using a neural network with dynamic external memory"; Csordás & Schmidhuber 2019, "Improving differentiable neural computers through
        memory masking, de-allocation, and link distribution sharpness control". Differs: in (4) u is e + (1 - e) u, and the product is taken of logarithms; S fades to zero where all d are below e.
    Example:
        >>> from tenuto.cells import LSTM
        >>> found = DNC(LSTM(), 3, 8, rows=16, width=4, read_heads=2)(torch.zeros(5, 2, 3))
        >>> found.output.shape, found.state.usage.shape
        (torch.Size([5, 2, 16]), torch.Size([2, 16]))
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        *,
        rows: int = 64,
        width: int = 16,
        read_heads: int = 4,
        links: bool = True,
        masked: bool = True,
        deallocating: bool = True,
        sharpened_links: bool = True,
        num_layers: int = 1,
        learned_memory: bool = False,
        batch_first: bool = False,
        engine: str = "auto",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = check_size("input_size", input_size), check_size("hidden_size", hidden_size), check_size("num_layers", num_layers)
        self.rows, self.width, self.read_heads = check_size("rows", rows), check_size("width", width), check_size("read_heads", read_heads)
        self.links, self.masked, self.deallocating, self.sharpened_links = links, masked, deallocating, sharpened_links
        self.learned_memory, self.batch_first = learned_memory, batch_first
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self._control(cell, self.read_heads * self.width, self.hidden_size, self.num_layers, engine=engine, **options)
        wide, heads = self.controller.output_width, self.read_heads
        shapes: dict[str, tuple[int, ...]] = {
            "read_keys": (heads, self.width), "read_strengths": (heads,), "write_key": (1, self.width), "write_strength": (1,), "erased": (self.width,), "written": (self.width,),
            "free_gates": (heads,), "allocation_gate": (1,), "write_gate": (1,),
        }  # fmt: skip
        if masked:
            shapes |= {"read_masks": (heads, self.width), "write_mask": (1, self.width)}
        if links:
            shapes |= {"modes": (heads, 3)}
        if links and sharpened_links:
            shapes |= {"forward_powers": (heads,), "backward_powers": (heads,)}
        self.interface = Interface(wide, shapes, **options)
        memory = torch.zeros(self.rows, self.width, **options)
        self.initial_memory = nn.Parameter(self.width**-0.5 * torch.randn_like(memory)) if learned_memory else nn.Buffer(memory)
        self.output_width = wide + heads * self.width

    def begin(self, batch_size: int) -> DNCState:
        """The state before the first step."""
        memory = self.initial_memory.expand(batch_size, -1, -1)
        none, linked = memory.new_zeros, self.rows if self.links else 0
        return DNCState(
            memory, none(batch_size, self.read_heads, self.width), none(batch_size, self.read_heads, self.rows), none(batch_size, self.rows), none(batch_size, self.rows),
            none(()).expand(batch_size, linked, linked), none(batch_size, linked), self._begun(batch_size),
        )  # fmt: skip

    def heads(self) -> Heads:
        return Heads("dnc", self.interface.size, self.rows, self.width, self.read_heads, masked=self.masked, deallocating=self.deallocating, linked=self.links, sharpened=self.sharpened_links)

    def access(self, said: Mapping[str, Tensor], state: DNCState) -> tuple[Tensor, ...]:
        memory, kept = state.memory, torch.ones_like(state.usage)
        for gate, weights in zip(said["free_gates"].sigmoid().unbind(1), state.read_weights.unbind(1)):
            kept = kept * (1 - gate[:, None] * weights)
        usage = (state.usage + state.write_weights - state.usage * state.write_weights) * kept
        found = by_content(said["write_key"], oneplus(said["write_strength"]), memory, said["write_mask"].sigmoid() if self.masked else None)[:, 0]
        gate = said["allocation_gate"].sigmoid()
        write = said["write_gate"].sigmoid() * (gate * allocated(usage) + (1 - gate) * found)
        if self.deallocating:
            memory = memory * kept[..., None]
        memory = memory * (1 - write[..., None] * said["erased"].sigmoid()[:, None]) + write[..., None] * said["written"][:, None]
        link, precedence = state.link, state.precedence
        if self.links:
            link, ahead, back = _Linked.apply(link, write, precedence, state.read_weights)
            precedence = (1 - write.sum(-1, keepdim=True)) * precedence + write
        read = by_content(said["read_keys"], oneplus(said["read_strengths"]), memory, said["read_masks"].sigmoid() if self.masked else None)
        if self.links:
            modes = said["modes"].softmax(-1)[..., None]
            if self.sharpened_links:
                ahead, back = sharpened(ahead, oneplus(said["forward_powers"])), sharpened(back, oneplus(said["backward_powers"]))
            read = modes[:, :, 0] * back + modes[:, :, 1] * read + modes[:, :, 2] * ahead
        return memory, read @ memory, read, write, usage, link, precedence

    def extra_repr(self) -> str:
        words = f"{self.input_size}, {self.hidden_size}, rows={self.rows}, width={self.width}, read_heads={self.read_heads}"
        words += "".join(f", {name}=False" for name in ("links", "masked", "deallocating", "sharpened_links") if not getattr(self, name))
        return words + ", learned_memory=True" * self.learned_memory + ", batch_first=True" * self.batch_first


class _Linked(torch.autograd.Function):
    """(8), and what the links lead to: link [B, N, N], write and precedence [B, N], read weights w [B, R, N] to the next link L, and w L^T, w L [B, R, N].

    By itself autograd would go over N * N numbers twice as often, forward and back.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(link: Tensor, write: Tensor, precedence: Tensor, reads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        after = link * (1 - write[:, :, None] - write[:, None])
        after.baddbmm_(write[:, :, None], precedence[:, None])
        after.diagonal(dim1=-2, dim2=-1).zero_()
        return after, reads @ after.mT, reads @ after

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs, output[0])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *given: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        link, write, precedence, reads, after = ctx.saved_tensors
        d_after, d_ahead, d_back = given
        none = torch.zeros_like(reads)
        d_ahead, d_back = none if d_ahead is None else d_ahead, none if d_back is None else d_back
        left, right = torch.cat([d_ahead, reads], 1).mT, torch.cat([reads, d_back], 1)
        total = left @ right if d_after is None else torch.baddbmm(d_after, left, right)
        total.diagonal(dim1=-2, dim2=-1).zero_()
        both = total * link
        d_write = (total @ precedence[..., None])[..., 0] - both.sum(-1) - both.sum(-2)
        d_link = total * (1 - write[:, :, None] - write[:, None])
        return d_link, d_write, (write[:, None] @ total)[:, 0], d_ahead @ after + d_back @ after.mT
