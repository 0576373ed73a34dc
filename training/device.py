"""The device and the precision to train with."""

import torch
from torch.utils.benchmark import Timer


def choose_device() -> torch.device:
    """Return an accelerator if there is one, else the CPU."""
    accelerator = (
        torch.accelerator.current_accelerator()
        if torch.accelerator.is_available()
        else None
    )
    return accelerator or torch.device("cpu")


def faster_precision(device: torch.device) -> str:
    """Return bf16 if the hardware multiplies it faster than fp32. A CPU is timed, since
    many emulate it.
    """
    if device.type != "cpu":
        return (
            "bf16"
            if device.type == "cuda"
            and torch.cuda.is_bf16_supported(including_emulation=False)
            else "fp32"
        )
    timer = Timer(
        "m @ m",
        globals={"m": torch.ones((512, 512))},
        num_threads=torch.get_num_threads(),
    )
    seconds = timer.blocked_autorange().median
    with torch.autocast("cpu", torch.bfloat16):
        return "bf16" if timer.blocked_autorange().median < 0.7 * seconds else "fp32"
