"""PyTorch, where the system has it: what anybody would write with it. Answers a line of JSON with one (worker.mjs)."""

import json
import math
import sys
import time

import torch
import torch.nn.functional as F


def materialised(u, delta, A, B, C):
    """The plain scan of the field's reference: decays and inputs (b l d n) first, then a loop over positions. They are taken apart at once:
    the gradient of an index would be as large as the whole, at every position."""
    decay = torch.exp(torch.einsum("bld,dn->bldn", delta, A))
    inputs = torch.einsum("bld,bln,bld->bldn", delta, B, u)
    state = torch.zeros(u.shape[0], u.shape[2], A.shape[1], dtype=u.dtype)
    ys = []
    for a, x, c in zip(decay.unbind(1), inputs.unbind(1), C.unbind(1)):
        state = a * state + x
        ys.append(torch.einsum("bdn,bn->bd", state, c))
    return torch.stack(ys, 1)


def stepwise(u, delta, A, B, C):
    """The same without the large arrays: everything inside the loop."""
    state = torch.zeros(u.shape[0], u.shape[2], A.shape[1], dtype=u.dtype)
    ys = []
    du = delta * u
    for d, x, b, c in zip(delta.unbind(1), du.unbind(1), B.unbind(1), C.unbind(1)):
        state = torch.exp(d.unsqueeze(-1) * A) * state + x.unsqueeze(-1) * b.unsqueeze(1)
        ys.append((state @ c.unsqueeze(-1)).squeeze(-1))
    return torch.stack(ys, 1)


SCANS = {"materialised": materialised, "stepwise": stepwise}


def operands(batch, length, channels, state, grad):
    torch.manual_seed(1)
    new = lambda *shape: torch.randn(*shape)
    A = -torch.arange(1.0, state + 1).repeat(channels, 1)
    tensors = dict(u=new(batch, length, channels), delta=0.3 * new(batch, length, channels) - 4.6, A=A, B=new(batch, length, state),
                   C=new(batch, length, state), D=torch.ones(channels), z=new(batch, length, channels))
    for tensor in tensors.values():
        tensor.requires_grad_(grad)
    return tensors


def fused(form, o):
    """Softplus, scan, skip and gate."""
    y = SCANS[form](o["u"], F.softplus(o["delta"]), o["A"], o["B"], o["C"])
    return (y + o["D"] * o["u"]) * F.silu(o["z"])


def timed(body):
    start = time.perf_counter()
    body()
    return 1e3 * (time.perf_counter() - start)


def scan(length, form, backward=False):
    o = operands(1, length, 1536, 16, backward)
    if not backward:
        with torch.no_grad():
            return {"ms": timed(lambda: fused(form, o))}
    return {"ms": timed(lambda: fused(form, o).sum().backward())}


class Block(torch.nn.Module):
    def __init__(self, width=768, state=16, kernel=4):
        super().__init__()
        torch.manual_seed(1)
        inner, rank = 2 * width, math.ceil(width / 16)
        self.norm = torch.nn.Parameter(torch.ones(width))
        self.in_proj = torch.nn.Linear(width, 2 * inner, bias=False)
        self.conv = torch.nn.Conv1d(inner, inner, kernel, groups=inner, padding=kernel - 1)
        self.x_proj = torch.nn.Linear(inner, rank + 2 * state, bias=False)
        self.dt_proj = torch.nn.Linear(rank, inner)
        self.dt_proj.bias.data.fill_(-4.6)
        self.A_log = torch.nn.Parameter(torch.log(torch.arange(1.0, state + 1).repeat(inner, 1)))
        self.D = torch.nn.Parameter(torch.ones(inner))
        self.out_proj = torch.nn.Linear(inner, width, bias=False)
        self.rank, self.state = rank, state

    def forward(self, h, form):
        normed = h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + 1e-5) * self.norm
        x, z = self.in_proj(normed).chunk(2, -1)
        u = F.silu(self.conv(x.transpose(1, 2))[..., : h.shape[1]]).transpose(1, 2)
        low, B, C = self.x_proj(u).split([self.rank, self.state, self.state], -1)
        delta = F.softplus(self.dt_proj(low))
        y = SCANS[form](u, delta, -torch.exp(self.A_log), B, C) + self.D * u
        return h + self.out_proj(y * F.silu(z))


BLOCK = None


def block(batch, length, form):
    global BLOCK
    BLOCK = BLOCK or Block()
    h = torch.randn(batch, length, 768, requires_grad=True)
    return {"ms": timed(lambda: BLOCK(h, form).sum().backward())}


def reference(length, channels):
    """Every channel's matrix as the paper's released code makes it: for each pair the decays between, a position at a time."""
    o = operands(1, length, channels, 16, False)

    def run():
        delta = F.softplus(o["delta"])
        decay = torch.exp(torch.einsum("bld,dn->bldn", delta, o["A"]))
        inputs = torch.einsum("bld,bln->bldn", delta, o["B"])
        out = torch.zeros(1, channels, length, length)
        for r in range(length):
            for c in range(r + 1):
                product = torch.ones(1, channels, 16)
                for i in range(r - c):
                    product = product * decay[:, r - i]
                out[:, :, r, c] = (o["C"][:, r].unsqueeze(1) * product * inputs[:, c]).sum(-1)

    with torch.no_grad():
        return {"ms": timed(run)}


def about():
    return {"version": torch.__version__, "threads": torch.get_num_threads()}


TASKS = {"scan": scan, "block": block, "reference": reference, "about": about}
torch.set_num_threads(int(sys.argv[1]))
for line in sys.stdin:
    options = json.loads(line)
    try:
        answer = TASKS[options.pop("task")](**options)
    except Exception as error:  # told to whoever asked
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
