"""PyTorch on the same card at the same shapes, as JSON: a plain scan over positions, the same compiled, scaled dot-product
attention, and the scan of mamba_ssm where it is installed. Medians of event timings."""
import json
import statistics
import sys

import torch

torch.manual_seed(1)
figures = []


def measure(name, shape, body, unit="ms", groups=7, slow=False):
    try:
        for _ in range(1 if slow else 3):
            body()
        torch.cuda.synchronize()
        times = []
        for _ in range(3 if slow else groups):
            start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            calls = 1 if slow else 10
            start.record()
            for _ in range(calls):
                body()
            stop.record()
            torch.cuda.synchronize()
            times.append(start.elapsed_time(stop) / calls)
        figures.append({"name": name, "shape": shape, "value": statistics.median(times), "unit": unit})
    except Exception as error:  # a missing compiler or too little memory is a result, too
        figures.append({"name": name, "shape": shape, "error": str(error)[:300]})
    print(figures[-1], file=sys.stderr, flush=True)


def plain(u, delta, A, B, C, D, z):
    """(b l d): the recurrence, one position after the other."""
    delta = torch.nn.functional.softplus(delta.float())
    state = torch.zeros(u.shape[0], u.shape[2], A.shape[1], device=u.device)
    rows = []
    for i in range(u.shape[1]):
        state = torch.exp(delta[:, i, :, None] * A) * state + (delta[:, i] * u[:, i].float())[:, :, None] * B[:, i, None, :].float()
        rows.append((state * C[:, i, None, :].float()).sum(-1))
    y = torch.stack(rows, 1) + D * u.float()
    return (y * torch.nn.functional.silu(z.float())).to(u.dtype)


def problem(batch, length, channels, state=16, dtype=torch.bfloat16):
    make = lambda *shape: torch.randn(*shape, device="cuda", dtype=dtype)
    A = -torch.rand(channels, state, device="cuda") * 15 - 0.5
    return make(batch, length, channels), make(batch, length, channels) - 3, A, make(batch, length, state), make(batch, length, state), torch.randn(channels, device="cuda"), make(batch, length, channels)


for batch, length, channels in [(8, 2048, 1536), (1, 2048, 1536)]:
    shape = f"B={batch} L={length} D={channels} N=16 bf16"
    inputs = problem(batch, length, channels)
    with torch.no_grad():
        measure("PyTorch, plain scan", shape, lambda: plain(*inputs), slow=True)
        try:
            from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

            u, delta, A, B, C, D, z = inputs
            across = lambda x: x.transpose(1, 2).contiguous()
            arguments = (across(u), across(delta), A, across(B), across(C), D, across(z), None, True)
            measure("mamba_ssm's scan", shape, lambda: selective_scan_fn(*arguments))
        except ImportError:
            pass
        heads = channels // 64
        q, k, v = (torch.randn(batch, heads, length, 64, device="cuda", dtype=torch.bfloat16) for _ in range(3))
        measure("PyTorch, causal attention", f"B={batch} L={length} {heads} heads of 64 bf16", lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True))

# compiling a loop over 2048 positions takes minutes: 64 positions, to be multiplied
compiled = torch.compile(plain)
inputs = problem(8, 64, 1536)
with torch.no_grad():
    measure("PyTorch, compiled scan", "B=8 L=64 D=1536 N=16 bf16", lambda: compiled(*inputs))
a, b = (torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16) for _ in range(2))
measure("PyTorch, matrix product", "4096³ bf16", lambda: a @ b.t())
x = torch.randn(1 << 28, device="cuda")
y = torch.empty_like(x)
measure("copy of 1 GiB", "1 GiB read, 1 GiB written", lambda: y.copy_(x))
print(json.dumps({"torch": torch.__version__, "figures": figures}))
