"""Full training iterations and sampling against the code that others run, same weights and shapes, in turns.

    python benchmarks/peers.py --biggan BigGAN-PyTorch --mimicry mimicry [--work cifar biggan-128 wgan-gp]
                               [--rounds 5] [--threads 1] [--precision fp32 bf16] [--json FILE] [--profile] [--alone]

The folders are checkouts of ajbrock/BigGAN-PyTorch and kwotsin/mimicry (both MIT), fetched by whoever runs this;
nothing of them is part of this repository.  An iteration is one optimiser step of each player with all that belongs to
it: fakes, losses, penalty, backward, Adam, the average of G where the recipe has one, and on our side also the engine's
checks and logs.  Data are noise, drawn before the clock starts.  Both start from the peer's weights, and the outputs of
G and D are compared first.  Ratios are medians over neighbouring measurements, of processor time, so that a machine
whose speed drifts or that others use does not decide.

cifar: BigGAN at 32 pixels, width 64, batch 16 (launch_cifar_ema.sh).  biggan-128: width 16, batch 4 (launch_BigGAN_*).
wgan-gp: the ResNets at 32 pixels, G 256 and D 128 wide, batch 16; of mimicry with nearest upsampling and ReLUs that are
not in place, which is what the authors' script computes.

`ceiling`: what a product of 1024 x 1024 matrices reaches here; `share`: of it, what our iteration reaches with the
multiplications that it does.  --profile: where its time goes.  --alone: each side in a process of its own: memory at
the peak, seconds of processor from the start of Python to the end of the first iteration, torch's own import beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

WORKS = ("cifar", "biggan-128", "wgan-gp")


class Side(NamedTuple):
    """One iteration, and so many images of its generator."""

    iterate: Callable[[], object]
    sample: Callable[[int], object]


def sizes(work: str) -> dict[str, Any]:
    """Preset and fields of ours."""
    if work == "cifar":
        return {"preset": "biggan-cifar10", "batch": 16, "D_steps": 1, "ema_start": 0, "num_classes": 10}
    if work == "biggan-128":
        small = {"G_ch": 16, "D_ch": 16, "batch": 4, "accumulate": 1, "D_steps": 1, "ema_start": 0}
        return {"preset": "biggan-128-bigganpt", **small, "num_classes": 1000}
    small = {"batch": 16, "n_critic": 1, "G_batch_ratio": 1, "dequantise": False, "G_width": 256, "D_width": 128}
    return {"preset": "wgan-gp-cifar10", **small}


def ours(work: str, precision: str = "fp32") -> tuple[Any, Side]:
    """Our state, and its side."""
    import torch

    from ganvas import presets, recipes, rng
    from ganvas.config import configure
    from ganvas.engine.step import iterate
    from ganvas.engine.train import new_state
    from ganvas.gan import Batch, Given
    from ganvas.papers import PAPERS

    fields = sizes(work)
    row = presets.preset(fields.pop("preset"))
    config = configure(PAPERS[row.paper].config_type, {**row.values, **fields}, given=())
    state = new_state(recipes.Recipe(row.paper, row.name, config).build(0), torch.device("cpu"))
    x, y = noise(work)
    real = Batch(x, Given(y=y if config.num_classes else None))
    cast = contextlib.nullcontext if precision == "fp32" else partial(torch.autocast, "cpu", torch.bfloat16)

    def step() -> None:
        iterate(state.gan, lambda k: real, state.optimisers, partial(rng.generator, "step"), cast)
        if state.average is not None:
            state.average.update()

    def sample(n: int) -> None:
        with cast():
            state.gan.sample(n, seed=0)

    return state, Side(step, sample)


def noise(work: str) -> tuple[Any, Any]:
    """Images [N, 3, R, R] and classes [N]."""
    import torch

    fields, generator = sizes(work), torch.Generator().manual_seed(0)
    n, size = fields["batch"], 128 if work == "biggan-128" else 32
    x = torch.rand(n, 3, size, size, generator=generator) * 2 - 1
    return x, torch.randint(fields.get("num_classes", 1), (n,), generator=generator)


def biggan(folder: Path, work: str, precision: str = "fp32") -> tuple[Any, Any, Side]:
    """BigGAN-PyTorch's players, and its training function's steps in its order."""
    import torch

    sys.path.insert(0, str(folder))
    theirs, losses = import_module("BigGAN"), import_module("losses")

    common = {"resolution": 32, "n_classes": 10, "SN_eps": 1e-8, "adam_eps": 1e-8, "skip_init": False}
    of_G: dict[str, Any] = {"G_ch": 64, "dim_z": 128, "G_attn": "0", "G_shared": False, "G_init": "N02", "G_lr": 2e-4}
    of_D: dict[str, Any] = {"D_ch": 64, "D_attn": "0", "D_init": "N02", "D_lr": 2e-4}
    if work == "biggan-128":
        common |= {"resolution": 128, "n_classes": 1000, "SN_eps": 1e-6, "adam_eps": 1e-6}
        of_G |= {"G_ch": 16, "dim_z": 120, "G_attn": "64", "G_shared": True, "shared_dim": 128, "hier": True}
        of_D |= {"D_ch": 16, "D_attn": "64"}
        of_G["G_init"] = of_D["D_init"] = "ortho"
    with contextlib.redirect_stdout(io.StringIO()):
        G = theirs.Generator(**{**common, **of_G, "G_B2": 0.999})
        D = theirs.Discriminator(**{**common, **of_D, "D_B2": 0.999})
    both = theirs.G_D(G, D)
    average = {key: value.clone() for key, value in G.state_dict().items()}
    x, y = noise(work)
    n, classes, generator = len(x), common["n_classes"], torch.Generator().manual_seed(1)
    cast = contextlib.nullcontext if precision == "fp32" else partial(torch.autocast, "cpu", torch.bfloat16)

    def drawn() -> tuple[Any, Any]:
        z = torch.randn(n, G.dim_z, generator=generator)
        return z, torch.randint(classes, (n,), generator=generator)

    def learns(player: Any, yes: bool) -> None:
        for p in player.parameters():
            p.requires_grad = yes

    def step() -> None:
        for player in (G, D):
            player.optim.zero_grad()
        learns(D, True)
        learns(G, False)
        with cast():
            fake, real = both(*drawn(), x, y, train_G=False, split_D=False)
            loss = sum(losses.discriminator_loss(fake, real))
        loss.backward()
        D.optim.step()
        learns(D, False)
        learns(G, True)
        G.optim.zero_grad()
        with cast():
            loss = losses.generator_loss(both(*drawn(), train_G=True, split_D=False))
        loss.backward()
        G.optim.step()
        with torch.no_grad():
            for key, value in G.state_dict().items():
                average[key].copy_(average[key] * 0.9999 + value * (1 - 0.9999))

    @torch.no_grad()
    def sample(m: int) -> None:
        z, y = (torch.cat([part for part, _ in [drawn()]] * (m // n + 1))[:m], torch.zeros(m, dtype=torch.int64))
        with cast():
            G.eval()(z, G.shared(y))
        G.train()

    return G, D, Side(step, sample)


def mimicry(folder: Path, precision: str = "fp32") -> tuple[Any, Any, Side]:
    """mimicry's players with their own train_step, upsampling nearest and ReLUs not in place."""
    import torch
    from torch import nn

    package = types.ModuleType("torch_mimicry")  # its own __init__ wants torchvision
    package.__path__ = [str(folder / "torch_mimicry")]
    sys.modules["torch_mimicry"] = package
    from torch_mimicry.modules import resblocks
    from torch_mimicry.nets.wgan_gp.wgan_gp_32 import WGANGPDiscriminator32, WGANGPGenerator32

    interpolate = torch.nn.functional.interpolate
    nearest = types.SimpleNamespace(**vars(torch.nn.functional))
    nearest.interpolate = lambda x, scale_factor, **_: interpolate(x, scale_factor=scale_factor)
    resblocks.F = nearest
    G, D = WGANGPGenerator32(), WGANGPDiscriminator32()
    for module in (*G.modules(), *D.modules()):
        if isinstance(module, nn.ReLU):
            module.inplace = False
    optimisers = [torch.optim.Adam(player.parameters(), lr=2e-4, betas=(0.0, 0.9)) for player in (G, D)]
    x, y = noise("wgan-gp")
    log = types.SimpleNamespace(add_metric=lambda *_, **__: None)
    cast = contextlib.nullcontext if precision == "fp32" else partial(torch.autocast, "cpu", torch.bfloat16)

    def step() -> None:
        with cast():
            D.train_step((x, y), netG=G, optD=optimisers[1], log_data=log, device="cpu")
            G.train_step((x, y), netD=D, optG=optimisers[0], log_data=log, device="cpu")

    @torch.no_grad()
    def sample(m: int) -> None:
        with cast():
            G.eval().generate_images(m, device="cpu")
        G.train()

    return G, D, Side(step, sample)


def peer(work: str, args: argparse.Namespace, precision: str = "fp32") -> tuple[Any, Any, Side]:
    """The other side."""
    return mimicry(args.mimicry, precision) if work == "wgan-gp" else biggan(args.biggan, work, precision)


def take_over(state: Any, G: Any, D: Any, work: str) -> float:
    """The peer's weights as ours.  -> the largest difference of the two sides' outputs, of G and D"""
    import torch

    gan = state.gan
    for mine, their in ((gan.G, G), (gan.D, D)):
        values = resnet_values(mine, their) if work == "wgan-gp" else biggan_values(mine, their)
        mine.load_state_dict(values)
    if state.average is not None:
        state.average.players["G"].load_state_dict(gan.G.state_dict())
    players = copy.deepcopy((gan.G, gan.D, G, D))
    mine_G, mine_D, G, D = (player.eval() for player in players)
    z = torch.randn(4, gan.config.dim_z, generator=torch.Generator().manual_seed(2))
    x, y = (part[:4] for part in noise(work))
    with torch.no_grad():
        if work == "wgan-gp":
            pairs = ((mine_G(z), G(z)), (mine_D(x), D(x).flatten()))
        else:
            pairs = ((mine_G(z, mine_G.shared(y)), G(z, G.shared(y))), (mine_D(x, y), D(x, y)))
    return max((a - b).abs().max().item() for a, b in pairs)


def biggan_values(mine: Any, their: Any) -> dict[str, Any]:
    """State of BigGAN-PyTorch by our names."""
    from ganvas.pretrained.biggan_pytorch import statistics_renamed

    values, _ = statistics_renamed(their.state_dict())
    return {key: values.get(key, value) for key, value in mine.state_dict().items()}


def resnet_values(mine: Any, their: Any) -> dict[str, Any]:
    """mimicry's state by our names: the same layers, block by block, in another order."""
    names = {"conv1": "c1", "conv2": "c2", "shortcut": "c_sc", "norm1": "b1", "norm2": "b2"}
    first = 2 if hasattr(mine, "norm") else 1
    values = {}
    for key in mine.state_dict():
        head, *rest = key.split(".")
        if head == "blocks":
            target = f"block{int(rest[0]) + 2}.{names[rest[1]]}.{rest[2]}"
        elif head == "first":
            target = f"block1.{names[rest[0]]}.{rest[1]}"
        else:
            target = {"linear": "l1" if first == 2 else "l5", "norm": "b5", "conv": "c5"}[head] + "." + rest[0]
        values[key] = their.state_dict()[target]
    return values


@contextlib.contextmanager
def clocked(found: list[tuple[float, float]]) -> Iterator[None]:
    """Adds (wall, processor) seconds of the block."""
    wall, processor = time.monotonic(), time.process_time()
    yield
    found.append((time.monotonic() - wall, time.process_time() - processor))


def in_turns(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds of each side, in turns, after a first that warms up."""
    for run in sides.values():
        run()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for k in range(rounds):
        for name in list(sides) if k % 2 else list(sides)[::-1]:
            with clocked(found[name]):
                sides[name]()
    return found


def compared(found: dict[str, list[tuple[float, float]]], images: int) -> dict[str, Any]:
    """Images a second of each, by processor time, and the ratios peer / ours."""
    speeds = {f"{name} images/s": images / statistics.median(c for _, c in clocks) for name, clocks in found.items()}
    ratios = {
        f"{name} / {other}": statistics.median(a[1] / b[1] for a, b in zip(found[name], found[other]))
        for name in found
        for other in found
        if name.startswith("peer") and other.startswith("ours")
    }
    return speeds | ratios


def ceiling() -> float:
    """Floating-point operations a second of a product of 1024 x 1024 matrices, the best of ten."""
    import torch

    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    found: list[tuple[float, float]] = []
    for _ in range(10):
        with clocked(found):
            a @ b
    return 2 * 1024**3 / min(processor for _, processor in found)


def counted(work: str) -> float:
    """Floating-point operations of our iteration, the number that it does (fused convolutions need fewer)."""
    import torch

    from ganvas.engine.estimate import estimate

    state, _ = ours(work)
    gan = type(state.gan)(state.gan.config).to("meta")
    return estimate(gan, torch.device("cpu"), 1).flops_per_image * sizes(work)["batch"]


def profile(step: Callable[[], object]) -> list[tuple[str, float]]:
    """Operations of an iteration and their share of its processor time, the ten largest."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        step()
    rows = sorted(((e.key, e.self_cpu_time_total) for e in seen.key_averages()), key=lambda row: -row[1])
    total = sum(seconds for _, seconds in rows)
    return [(key, seconds / total) for key, seconds in rows[:10]]


def alone(work: str, side: str, args: argparse.Namespace) -> dict[str, float]:
    """Memory and time to the first step of one side, in a process of its own."""
    words = [sys.executable, __file__, "--work", work, "--only", side, "--threads", str(args.threads)]
    for name in ("biggan", "mimicry"):
        words += [f"--{name}", str(getattr(args, name))] if getattr(args, name) else []
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def only(work: str, side: str, args: argparse.Namespace) -> None:
    """Prints what `alone` asks for."""
    import torch

    torch.set_num_threads(args.threads)
    imported = time.process_time()
    run = ours(work)[1] if side == "ours" else peer(work, args)[2]
    run.iterate()
    first = time.process_time()
    for _ in range(2):
        run.iterate()
    status = Path("/proc/self/status").read_text()  # not getrusage, which begins with the parent's peak
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(json.dumps({"peak MiB": peak, "first step s": first, "of it import torch s": imported}))


def measured(work: str, args: argparse.Namespace) -> dict[str, Any]:
    """All of one work."""
    sides: dict[str, Side] = {}
    gap = 0.0
    for precision in args.precision:
        state, mine = ours(work, precision)
        G, D, other = peer(work, args, precision)
        gap = max(gap, take_over(state, G, D, work))
        sides |= {f"ours {precision}": mine, f"peer {precision}": other}
    images = sizes(work)["batch"]
    found = {"work": work, "threads": args.threads, "rounds": args.rounds, "outputs differ by": gap}
    found["training"] = compared(in_turns({name: side.iterate for name, side in sides.items()}, args.rounds), images)
    n = 16
    runs = {name: partial(side.sample, n) for name, side in sides.items()}
    found["sampling"] = compared(in_turns(runs, args.rounds), n)
    top, seconds = ceiling(), images / found["training"]["ours fp32 images/s"] if "fp32" in args.precision else 0.0
    if seconds:
        found |= {"ceiling GFLOP/s": top / 1e9, "share": counted(work) / seconds / top}
    if args.profile:
        found["profile"] = profile(next(iter(sides.values())).iterate)
    if args.alone:
        found["alone"] = {side: alone(work, side, args) for side in ("ours", "peer")}
    return found


def main() -> None:
    """Prints and keeps what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--biggan", type=Path, help="a checkout of ajbrock/BigGAN-PyTorch")
    parser.add_argument("--mimicry", type=Path, help="a checkout of kwotsin/mimicry")
    parser.add_argument("--work", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", nargs="+", choices=["fp32", "bf16"], default=["fp32"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--only", choices=["ours", "peer"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        only(args.work[0], args.only, args)
        return
    import torch

    torch.set_num_threads(args.threads)
    machine = {"processor": processor(), "torch": torch.__version__, "load": os.getloadavg()[0]}
    rows = []
    for work in args.work:
        if (args.mimicry if work == "wgan-gp" else args.biggan) is None:
            print(f"{work}: no checkout given, not measured")
            continue
        rows.append(measured(work, args))
        print(json.dumps(rows[-1], indent=1), flush=True)
    if args.json:
        args.json.write_text(json.dumps({"command": sys.argv, **machine, "rows": rows}, indent=1) + "\n")


def processor() -> str:
    """The name of the processor, and the instructions that torch uses."""
    import torch

    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.split(':')[1].strip()} ({torch.backends.cpu.get_cpu_capability()})"
    return platform.processor()


if __name__ == "__main__":
    main()
