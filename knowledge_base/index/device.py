"""Where FAISS searches: a GPU when the GPU build and a GPU are there and the setting allows it, else the CPU."""

from __future__ import annotations

from dataclasses import dataclass

import faiss

from bot.shared.errors import SettingsError


@dataclass(frozen=True)
class Device:
    """`kind` is cpu or gpu; `reason` says why in a log, `code` on the admin page (setting, cpu_build, no_gpu, gpu)."""

    kind: str
    code: str
    reason: str


def choose_device(setting: str) -> Device:
    """The device for TELLER_FAISS_DEVICE = auto, cpu or gpu. Raises SettingsError for gpu when there is none."""
    if setting == "cpu":
        return Device("cpu", "setting", "TELLER_FAISS_DEVICE=cpu")
    if not hasattr(faiss, "StandardGpuResources"):
        code, missing = "cpu_build", "this FAISS is the CPU build"
    elif faiss.get_num_gpus() < 1:
        code, missing = "no_gpu", "the GPU build finds no GPU"
    else:
        return Device("gpu", "gpu", f"GPU build, {faiss.get_num_gpus()} GPU(s)")
    if setting == "gpu":
        raise SettingsError(
            f"TELLER_FAISS_DEVICE=gpu, but {missing}; install the gpu extra on a machine with a GPU, or use auto"
        )
    return Device("cpu", code, missing)
