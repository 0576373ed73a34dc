"""The device and the precision to train with."""

from collections.abc import Callable

import torch
from torch.utils.benchmark import Timer


def choose_device() -> torch.device:
    """Return an accelerator if there is one, else the CPU."""
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return accelerator or torch.device("cpu")


def faster_precision(device: torch.device) -> str:
    """Return bf16 if the hardware multiplies it faster than fp32. A CPU is timed, since many emulate it."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    matrix = torch.ones((512, 512))
    return "bf16" if device.type == "cpu" and speedup_in_bf16(lambda: matrix @ matrix) > 1 / 0.7 else "fp32"


def speedup_in_bf16(work: Callable[[], object]) -> float:
    """Return how many times faster the CPU does some work in bf16 than in fp32."""
    timer = Timer("work()", globals={"work": work}, num_threads=torch.get_num_threads())
    seconds = timer.blocked_autorange().median
    with torch.autocast("cpu", torch.bfloat16):
        return seconds / timer.blocked_autorange().median
