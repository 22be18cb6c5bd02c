"""Tiny runs that one process or several take alike.  As a program: one of the processes, which torch's own variables
number; `python -m tests.engine.together FOLDER FORM,FORM [COMMAND [; COMMAND ...]]` leaves what the first one has.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ganvas import rng
from ganvas.engine import parallel
from ganvas.engine import train as loop
from ganvas.engine.cut import cut_of
from ganvas.engine.feed import Feed
from ganvas.engine.run import Run
from ganvas.engine.step import iterate
from ganvas.engine.synced import meet
from ganvas.engine.train import new_state
from ganvas.team import Team
from tests import tiny
from tests.engine import running

CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[2]
# this optimiser's first steps are smooth in the gradient: rounding stays rounding
SMOOTH: dict[str, Any] = {"optimizer": "rmsprop_tf1", "G_lr": 0.01, "D_lr": 0.01, "batch": 8}
# a batch norm in D or G, several kinds of draws, memory that follows all rows, what compares the rows of a batch
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "wgan": ("wgan", {"D_net": "dcgan4", "D_norm": "batch", "G_net": "dcgan4", "resolution": 16, "flip": True}),
    "wgan-gp-classes": ("wgan-gp-acgan", {"penalty_eps": 1e-6, "augment": "diffaugment"}),
    "biggan": ("biggan", {"augment": "ada", "lecam": 0.5, "shift_consistency": 1.0, "init": "N02"}),
    "logan": ("logan", {}),
    "unetgan": ("unetgan", {}),
    "csgan": ("csgan", {"dropout": True}),
    "icgan": ("icgan-classes", {"flip": True}),
    "stylegan2": ("stylegan2", {"group": 2, "path_decay": 0.5, "path_every": 1, "r1_every": 1}),
}


def trained(form: str, team: Team, iterations: int = 2, **more: Any) -> dict[str, Tensor]:
    """Everything that a checkpoint holds, and the last logs, after some iterations of a form."""
    name, values = FORMS.get(form, (form, {}))
    cut = {key: more.pop(key) for key in ("micro_batch",) if key in more}
    gan = tiny.build(name, **{**SMOOTH, **values, **more})
    state, data, n = new_state(gan, CPU), tiny.images(gan, 30), gan.config.batch
    state.share(team)
    gan.dataset_size = len(data)
    feed = Feed(data, 0, CPU, gan.config.flip, (team.rank, team.size))
    if team.size > 1:
        meet(gan, batch_norm=True)
    logs: dict[str, Tensor] = {}
    for _ in range(iterations):
        origin = gan.images_seen
        real = partial(lambda origin, k: feed.batch(origin + k * n, n), origin)
        renewed = partial(lambda origin, batch, phase, k: feed.renewed(batch, origin + k * n, phase), origin)
        draws = partial(rng.generator, "step", 0, gan.iteration)
        how = cut_of(gan, team, synced=True, **cut)
        logs, batches = iterate(gan, real, state.optimisers, draws, renewed=renewed, cut=how)
        gan.images_seen += batches * n
        gan.iteration += 1
        if state.average is not None:
            state.average.update()
    return {**state.tensors(), **{f"logs/{key}": value for key, value in logs.items()}}


def start(
    size: int, folder: Path, forms: Sequence[str] = (), run: Sequence[str] = (), mishap: str = "", status: int = 0
) -> dict[str, dict[str, Tensor]]:
    """So many processes of this program, to the end.  -> what the first one has, by form

    run: the words of a command that they give together afterwards; of several, with ";" between them.  mishap: one of
    `MISHAPS`.  status: with which they are to end.
    """
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    own["MISHAP"] = mishap
    command = [sys.executable, "-m", "tests.engine.together", str(folder), ",".join(forms), *run]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, stderr=subprocess.PIPE,
            env={**os.environ, **own, "RANK": str(rank), "LOCAL_RANK": str(rank), "CUDA_VISIBLE_DEVICES": ""},
        )
        for rank in range(size)
    ]  # fmt: skip
    said = [process.communicate()[1].decode() for process in processes]
    failed = [text for process, text in zip(processes, said) if process.returncode != status]
    if failed:
        raise RuntimeError("\n".join(failed))
    from safetensors.torch import load_file

    return {form: load_file(folder / f"{form}.safetensors") for form in forms}


def slow_look() -> None:
    """The first process looks for longer than the others may wait for gradients."""
    parallel.GRADIENTS = timedelta(seconds=2)
    plain = Run.evaluate

    def slow(self: Run, *given: Any) -> Any:
        time.sleep(3)
        found = plain(self, *given)
        time.sleep(3)
        return found

    Run.evaluate = slow  # type: ignore[method-assign]  # Silent has its own


def signal_in_the_last() -> None:
    """SIGTERM reaches the last process at the end of an iteration after which a look is due, and no other one yet."""
    if os.environ["RANK"] != str(int(os.environ["WORLD_SIZE"]) - 1):
        return
    plain = loop.iterate

    def interrupted(gan: Any, *given: Any) -> Any:
        found = plain(gan, *given)
        if gan.images_seen == 28:  # of 32, which are looked at
            signal.raise_signal(signal.SIGTERM)
        return found

    loop.iterate = interrupted


MISHAPS = {"slow look": slow_look, "signal": signal_in_the_last}


def main(folder: Path, forms: Sequence[str], run: Sequence[str]) -> int:
    """One of the processes."""
    torch.set_num_threads(1)
    if mishap := os.environ.get("MISHAP"):
        MISHAPS[mishap]()
    with parallel.joined(CPU) as team:
        for form in forms:
            found = trained(form, team)
            if team.first:
                save_file({key: value.contiguous() for key, value in found.items()}, folder / f"{form}.safetensors")
        commands = [list(words) for ends, words in groupby(run, lambda word: word == ";") if not ends]
        return next((status for status in map(running.main, commands) if status), 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [form for form in sys.argv[2].split(",") if form], sys.argv[3:]))
