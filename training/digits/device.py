"""The device and the precision to train with."""

import torch
from torch.utils.benchmark import Timer


def choose_device() -> torch.device:
    """Return an accelerator if there is one, else the CPU."""
    accelerator = None
    if torch.accelerator.is_available():
        accelerator = torch.accelerator.current_accelerator()
    return accelerator or torch.device("cpu")


def faster_precision(device: torch.device) -> str:
    """Return bf16 if the hardware multiplies it faster than fp32.

    A CPU is timed, since many emulate it.
    """
    is_faster = False
    if device.type == "cuda":
        is_faster = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        matrix = torch.ones((512, 512))
        threads = torch.get_num_threads()
        timer = Timer("m @ m", globals={"m": matrix}, num_threads=threads)
        seconds = timer.blocked_autorange().median
        with torch.autocast("cpu", torch.bfloat16):
            is_faster = timer.blocked_autorange().median < 0.7 * seconds
    return "bf16" if is_faster else "fp32"
