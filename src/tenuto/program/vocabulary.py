"""What a step may use, as its author writes it, and what it may not, with what to write instead. docs/CELLS.md has both lists from here.

A test compares `MAY` with the table of translations: each of its expressions is traced, and each word of the table occurs in one of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Allowed:
    """Expressions of one sort. v and w are values [B, H], c is one channel [B, 1], q is a condition; F is torch.nn.functional."""

    sort: str
    expressions: tuple[str, ...]


def _calls(names: str, of: str = "torch.{}(v)") -> tuple[str, ...]:
    return tuple(of.format(name) for name in names.split())


MAY = (
    Allowed("Arithmetic", ("v + w", "v - w", "v * w", "v / w", "v % 2", "v ** 2", "v ** w", "2 ** v", "-v", "abs(v)", "1 - v", "1 / v")),
    Allowed("Comparisons and choices", (
        "torch.where(v > w, v, w)", "torch.where(v < 0, 0.0, v)", "torch.where(v >= w, v, 1.0)", "torch.where(v <= w, 1.0, 0.0)", "torch.where(v == w, v, -v)",
        "torch.where(v != w, v, -v)", "torch.where(q & (v < 1), v, w)", "torch.where(q | (v > 1), v, w)", "torch.where(q ^ (v > 1), v, w)",
        "torch.where(~q, v, w)", "torch.where(torch.logical_not(q), v, w)", "torch.where(torch.logical_and(q, v < 1), v, w)",
        "torch.where(torch.logical_or(q, v < 1), v, w)", "torch.where(torch.isnan(v), w, v)", "torch.where(torch.isinf(v), w, v)",
    )),
    Allowed("The larger, the smaller, limits", ("torch.maximum(v, w)", "torch.minimum(v, w)", "torch.clamp(v, -1, 1)", "torch.clamp(v, min=0)", "torch.clamp(v, max=w)")),
    Allowed("Functions", _calls(
        "abs sign sgn floor ceil trunc round frac reciprocal sqrt rsqrt square exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan"
        " sinh cosh tanh asinh acosh atanh erf erfc sigmoid logit relu",
    ) + ("torch.hypot(v, w)", "torch.copysign(v, w)", "torch.remainder(v, w)", 'torch.div(v, w, rounding_mode="floor")', "torch.lerp(v, w, 0.5)", "torch.addcmul(v, w, w)", "torch.addcdiv(v, w, w)", "torch.logaddexp(v, w)")),
    Allowed("Activations", _calls(
        "celu elu gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish relu relu6 selu sigmoid silu softplus softshrink softsign tanh tanhshrink",
        "F.{}(v)",
    ) + ('F.gelu(v, approximate="tanh")', "F.threshold(v, 0.1, 0.0)", "self.activation(v)")),
    Allowed("Over the channels", (
        "v.sum(-1, keepdim=True)", "v.mean(-1, keepdim=True)", "v.amax(-1, keepdim=True)", "v.amin(-1, keepdim=True)", "v.norm(dim=-1, keepdim=True)",
        "torch.where(q.any(-1, keepdim=True), v, w)", "torch.softmax(v, -1)", "F.softmax(v, -1)", "F.layer_norm(v, v.shape[-1:])", "activations.mean(v)",
        "activations.layer_norm(v)", "activations.rms_norm(v)", "activations.softmax(v)",
    )),
    Allowed("Products", ("U.h @ s.h", "U.m @ v", "U.m @ (v * w)")),
    Allowed("Values and numbers", (
        "torch.zeros_like(v)", "torch.ones_like(v)", "torch.full_like(v, 0.5)", "v.detach()", "v.clone()", "v.to(w.dtype)", "v.contiguous()",
        "v * torch.tensor(0.5)", "v * self.rate", "c + v", "c.expand_as(v)", "v.expand_as(w)",
    )),
)  # fmt: skip


@dataclass(frozen=True)
class Refused:
    """Calls that no step can make: torch's names for them, what they do, and what to write instead."""

    sort: str
    names: str
    what: str
    instead: str


_MATRIX = "write U.NAME @ v: a NAME in gates has an input projection x.NAME, too, one in products has none; the layer makes, starts and trains the matrix"

MAY_NOT = (
    Refused("Your own matrices",
        "matmul mm bmm mv addmm addmv addbmm baddbmm linear bilinear einsum tensordot dot vdot inner outer ger kron chain_matmul multi_dot __matmul__ __rmatmul__"
        " conv1d conv2d conv3d conv_transpose1d embedding lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell lstm gru rnn_tanh rnn_relu scaled_dot_product_attention"
        " multi_head_attention_forward cdist",
        "multiplies with a matrix of its own", _MATRIX),
    Refused("Dropout",
        "dropout alpha_dropout dropout1d dropout2d dropout3d feature_dropout feature_alpha_dropout native_dropout",
        "drops channels", "tell the layer: Recurrent(cell, ..., recurrent_dropout=0.1, zoneout=0.1); a mask of your own is a stream"),
    Refused("Random numbers",
        "rand randn randint rand_like randn_like randint_like randperm bernoulli multinomial normal poisson binomial rrelu gumbel_softmax",
        "draws random numbers", 'give them as a stream: streams = "noise", def step(self, x, U, s, noise), and layer(x, streams={"noise": torch.randn(T, B, H)})'),
    Refused("Parts of a value",
        "cat concat concatenate hstack vstack dstack column_stack stack chunk split tensor_split split_with_sizes hsplit vsplit narrow select index_select"
        " gather scatter take take_along_dim masked_select masked_fill_ __getitem__ unfold pad repeat tile repeat_interleave",
        "joins or cuts channels", 'declare a gate or a state for each part instead, gates = "a b", and use x.a and x.b; in place of joining two values add their products, U.a @ v + U.b @ w'),
    Refused("The order of channels",
        "roll flip fliplr flipud rot90 sort argsort topk kthvalue median mode cumsum cumprod cummax cummin logcumsumexp diff argmax argmin searchsorted",
        "looks at the order of the channels", "a step takes the channels as a set: reductions go over all of them, v.sum(-1, keepdim=True); to move values between channels multiply, U.NAME @ v with NAME in products"),
    Refused("Other shapes",
        "view reshape view_as reshape_as flatten unflatten ravel squeeze unsqueeze transpose t permute movedim moveaxis swapaxes swapdims T mT H",
        "changes the shape of a value", "leave it out: each value is [B, H], and one of one channel [B, 1] is broadcast to the others; a product in blocks is heads=N of the cell"),
    Refused("Writing in place", "__setitem__ (v += w, v.add_(w), out=v, inplace=True)",
        "writes in place", "make a new tensor: v = v + 1, not v += 1 or v.add_(1)"),
    Refused("Branches and numbers",
        "__bool__ __float__ __int__ __index__ __complex__ __contains__ item tolist is_nonzero equal allclose",
        "branches on a tensor's values, or turns a tensor into a number",
        "write torch.where(condition, a, b) for `a if condition else b`; keep numbers as tensors"),
    Refused("Sequences one by one", "__iter__ unbind",
        "takes the sequences of the batch one by one", "a step treats them alike, as one value [B, H]; a loop goes over numbers, for layer in range(self.depth)"),
    Refused("Other libraries", "numpy __array__ __array_wrap__ __dlpack__",
        "hands a value to numpy, where no derivative is known", "use torch's function of that name: torch.tanh for np.tanh"),
    Refused("Printing a value", "__repr__ __str__ __format__",
        "prints a value: it runs a few times on numbers made up for tracing, and is then compiled",
        'to see a value make it a state, state = "h seen", State(h=..., seen=v): the layer returns its last one, and layer.step each one'),
    Refused("Your own tensors", "arange linspace logspace eye tril triu diag diagonal one_hot",
        "makes a tensor of its own", 'declare a tensor of your own: parameters = "w", one trained weight per channel, self.p.w; or streams, given with each call'),
    Refused("Means over the batch", "batch_norm instance_norm group_norm local_response_norm normalize cosine_similarity",
        "normalises over something other than the channels of each sequence", "tenuto.activations has layer_norm and rms_norm; scale and shift are parameters"),
)  # fmt: skip

REFUSED = {name: row for row in MAY_NOT for name in row.names.partition(" (")[0].split()}
IN_PLACE = next(row for row in MAY_NOT if row.sort == "Writing in place")
REDUCTIONS = frozenset("sum amax amin mean max min var std any all prod norm logsumexp aminmax var_mean std_mean".split())
OVER_CHANNELS = "reductions go over the channels alone and keep the axis: v.sum(-1, keepdim=True), tenuto.activations.mean(v)"
OTHERWISE = "write it with elementwise torch functions, U.name @ v, and reductions over the channels; docs/CELLS.md lists what a step may use"
