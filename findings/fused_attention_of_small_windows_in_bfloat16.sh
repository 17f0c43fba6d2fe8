#!/usr/bin/env bash
# On a CPU, fused attention over windows of 8×8 in bfloat16 trains many times as slowly as plain products.
#
# Expected: torch's scaled_dot_product_attention is the fast way to attention, and on a processor that
#   has instructions for bfloat16 it is faster in bfloat16 than in float32, as a convolution is.
# Found: with windows of 64 positions, as in Swin-like networks, one thread, AMD EPYC with AVX-512 BF16:
#   the backward pass of the fused kernel takes 3 to 4 times as long in bfloat16 as in float32, and
#   about 11 times as long as softmax(q kᵀ) v written as two products in bfloat16. The forward pass
#   takes nearly twice as long as the two products.
# Meaning: a restoration network with window attention, trained under autocast on a processor, can be
#   slower in bfloat16 than in float32 for this alone, though all its other layers gain. Write the
#   attention of small windows as products there. On a GPU the fused kernel is right. Whoever compares
#   convolutions with Transformers by processor time measures this kernel, too.
#
# Needs an x86-64 processor with AVX-512 BF16 (it was not run on one with AMX), and 7 GB of disk space for
# some minutes. Fails if the fused backward pass in bfloat16 takes less than twice as long as in float32,
# or less than five times as long as the products.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.4.6 torch==2.14.1
cat > times.py <<'PYTHON'
import time

import torch
from torch.nn.functional import scaled_dot_product_attention as fused

if not torch.cpu.get_capabilities().get("avx512_bf16", False):
    print("This processor has no AVX-512 BF16: nothing to see here.")
    raise SystemExit
torch.set_num_threads(1)
torch.manual_seed(0)


def products(q, k, v):
    return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1) @ v


def seconds(run):
    times = []
    for _ in range(6):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times[1:])


def forward_and_backward(attention, inputs):
    output = attention(*inputs)
    gradient = torch.ones_like(output)
    backward = lambda: torch.autograd.grad(output, inputs, gradient, retain_graph=True)
    return seconds(lambda: attention(*inputs)), seconds(backward)


windows, heads, channels = 512, 3, 32
values = torch.randn(3, windows, heads, 8 * 8, channels)
kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
found = {}
for name, attention in (("fused", fused), ("products", products)):
    for kind, dtype in kinds.items():
        inputs = [part.to(dtype).requires_grad_() for part in values]
        found[name, kind] = forward, backward = forward_and_backward(attention, inputs)
        print(f"{name:9} {kind:9} forward {1e3 * forward:6.1f} ms, backward {1e3 * backward:6.1f} ms")
difference = fused(*values) - products(*values)
print(f"largest difference of the two in float32: {difference.abs().max():.1e}")
slow = found["fused", "bfloat16"][1]
single, plain = found["fused", "float32"][1], found["products", "bfloat16"][1]
print(f"fused backward in bfloat16: {slow / single:.1f} times that in float32,", end=" ")
print(f"{slow / plain:.1f} times that of the products")
assert slow > 2 * single and slow > 5 * plain
PYTHON
venv/bin/python -c 'import torch; print("torch", torch.__version__)'
venv/bin/python times.py
