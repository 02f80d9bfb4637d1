"""From what a launcher set (RANK, WORLD_SIZE, LOCAL_RANK) to one process's place among those that train together.

A process that nobody launched so is alone. Only the first writes and logs.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist
from common.entry import Refusal
from torch import nn


class Place(NamedTuple):
    """Which of how many processes this is, and what it computes on."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0


def device_of(word: str, local_rank: int = 0) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` stands for. Raises Refusal where it is not there."""
    found = torch.cuda.is_available()
    if word == "cuda" and not found:
        raise Refusal("device = cuda, and there is no GPU that PyTorch can use; say auto, or choose another compute")
    if word == "cpu" or not found:
        return torch.device("cpu")
    return torch.device("cuda", local_rank % torch.cuda.device_count())


@contextmanager
def place(device: str) -> Iterator[Place]:
    """This process's place, in a process group if there are several."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    local = int(os.environ.get("LOCAL_RANK", rank))
    chosen = device_of(device, local)
    if world == 1:
        yield Place(0, 1, chosen)
        return
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", rank=rank, world_size=world)
    try:
        yield Place(rank, world, chosen)
        dist.barrier()
    finally:
        dist.destroy_process_group()


def shared(network: nn.Module, where: Place) -> nn.Module:
    """The network as the processes train it together, weights of the first; as it is where there is one."""
    if where.world == 1:
        return network
    devices = [where.device.index] if where.device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(network, device_ids=devices)


def summed(numbers: list[float], where: Place) -> list[float]:
    """The sums over all processes."""
    if where.world == 1:
        return numbers
    total = torch.tensor(numbers, dtype=torch.float64 if where.device.type == "cpu" else torch.float32).to(where.device)
    dist.all_reduce(total)
    return [float(x) for x in total.tolist()]
