"""The device: choosing it, making it deterministic, and measuring time and memory."""

import os
import platform
import resource
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

import torch


def choose() -> torch.device:
    """A GPU if there is one, else the CPU. Makes every operation deterministic."""
    # cuBLAS is deterministic only with a fixed workspace, which must be set before its first use.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # The same as torch.use_deterministic_algorithms(True), which also imports torch's compiler and
    # so takes a second longer.
    torch.set_deterministic_debug_mode("error")
    # Filling new tensors with NaN finds bugs, but costs time on every allocation.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    allow_tf32(False)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def allow_tf32(allowed: bool) -> None:
    """Whether a GPU may round float32 inputs of convolutions and matrix products to TF32 (10 bits).

    torch's default allows it for convolutions alone. Here float32 means float32, unless a variant
    asks for `precision: tf32`.
    """
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def arithmetic(device: torch.device, precision: str) -> AbstractContextManager:
    """torch's autocast to bfloat16 for the precision `bf16`; for any other, nothing is changed."""
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def set_threads(count: int) -> None:
    """Let torch compute with `count` threads on a CPU.

    Nothing is done if it does already: in a forked process, torch can wait for ever for threads of
    the process that it was forked from.
    """
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def describe(device: torch.device) -> str:
    """Kind and model of a device, e.g. 'cuda: NVIDIA H100' or 'cpu: AMD EPYC, 2 threads'."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"cpu: {processor()}, {torch.get_num_threads()} threads"


def native_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for products of bfloat16: a GPU's, AMX or AVX-512 BF16.

    Both gain on a processor: docs/choices.md has the ratios. Others are slower with bfloat16, see
    `emulates_bf16`. ATEN_CPU_CAPABILITY=avx2 makes a processor count as one of these.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    limited = torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2")
    able = torch.cpu.get_capabilities()
    return not limited and any(able.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def emulates_bf16(device: torch.device) -> bool:
    """Whether the device is an x86 processor without instructions for bfloat16.

    There a convolution in bfloat16 takes longer than one in float32: 8 to 50 times with AVX2, 3 to
    5 times with AVX-512 (findings/bfloat16_convolutions_without_native_support.sh). Of other
    processors it is not known.
    """
    if device.type != "cpu":
        return False
    able = torch.cpu.get_capabilities()
    known = any(able.get(name, False) for name in ("avx512_bf16", "avx_ne_convert"))
    return able.get("architecture") == "x86_64" and not known


def processor() -> str:
    """The processor's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


class Stopwatch:
    """Measures the seconds spent in a `with` block, including the work queued on the device."""

    def __init__(self, device: torch.device):
        self.device = device
        self.seconds = float("nan")

    def __enter__(self) -> "Stopwatch":
        self._wait()
        self.start = time.perf_counter()
        return self

    def __exit__(self, *error) -> None:
        self._wait()
        self.seconds = time.perf_counter() - self.start

    def _wait(self) -> None:
        wait(self.device)


def wait(device: torch.device) -> None:
    """Wait until the device has done the work that is queued on it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` count from now on.

    For the memory of a process, Linux must allow it; elsewhere the peak is that since its start.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc_pid_clear_refs(5)


def peak_memory(device: torch.device) -> int:
    """Peak memory in bytes: of torch's allocator on a GPU, of this process (resident) on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
