"""Several processes do what one does: the same weights from the same whole batches, up to rounding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganvas import rows
from ganvas.engine import parallel
from ganvas.engine.cut import cut_of
from ganvas.engine.feed import Feed
from ganvas.errors import InputError
from ganvas.gan import Batch, Given
from ganvas.team import ALONE, Team
from tests import tiny
from tests.engine import running, together

CPU = torch.device("cpu")
RUN = [*running.TOY, "--checkpoint-every", "320", "--sample-every", "1M", "--log-every", "1", "--device", "cpu"]
TOLERANCE = {"rtol": 1e-3, "atol": 1e-4}  # of weights that start near 0.1 and move by 0.01 to 0.1


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Tensor]]]:
    """What two processes leave: every form's state, and a run in the folder `run`."""
    folder = tmp_path_factory.mktemp("two")
    run = ["train", *RUN, "--images", "640", "--out", str(folder / "run")]
    return folder, together.start(2, folder, list(together.FORMS), run)


@pytest.mark.parametrize("form", together.FORMS)
def test_two_processes_give_the_weights_that_one_gives(form: str, two: Any) -> None:
    """Batch norm synchronised; optimisers, averages, memory and logs too."""
    one, many = together.trained(form, ALONE), two[1][form]
    assert one.keys() == many.keys()
    torch.testing.assert_close(many, {name: value.cpu() for name, value in one.items()}, **TOLERANCE)


def test_a_run_of_two_is_one_run_and_one_process_goes_on_with_it(two: Any, tmp_path: Path) -> None:
    assert running.main(["train", *RUN, "--images", "640", "--out", str(tmp_path / "one")]) == 0
    names = [{n for n in running.listing(d) if "events" not in n} for d in (two[0] / "run", tmp_path / "one")]
    assert names[0] == names[1]
    torch.testing.assert_close(running.left(two[0] / "run"), running.left(tmp_path / "one"), **TOLERANCE)
    logs = [
        [json.loads(x) for x in (d / "train.jsonl").read_text().splitlines()]
        for d in (two[0] / "run", tmp_path / "one")
    ]
    for many, one in zip(*logs, strict=True):
        assert many.keys() == one.keys()
        assert {k: v for k, v in many.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in one.items() if k != "seconds"}, rel=1e-2, abs=1e-4
        )
    assert running.resume(two[0] / "run", "--images", "960") == 0
    assert running.resume(tmp_path / "one", "--images", "960") == 0
    torch.testing.assert_close(running.left(two[0] / "run"), running.left(tmp_path / "one"), **TOLERANCE)


@pytest.mark.parametrize("name", ["wgan-gp", "icgan", "csgan-cyclegan"])
def test_shares_of_a_batch_are_the_batch(name: str) -> None:
    """Over the end of an epoch, flipped rows, conditions of fakes and all."""
    gan = tiny.build(name)
    data = tiny.images(gan, 10)
    whole = Feed(data, 3, CPU, flip=True)
    shares = [Feed(data, 3, CPU, flip=True, share=(rank, 3)) for rank in range(3)]
    batch = whole.renewed(whole.batch(7, 6), 7, "D")
    parts = [feed.renewed(feed.batch(7, 6), 7, "D") for feed in shares]
    for rank, part in enumerate(parts):
        wanted = rows.every(batch, rank, 3)
        assert torch.equal(part.x, wanted.x)
        for of_part, of_batch in ((part.given, wanted.given), (part.fake, wanted.fake)):
            for key in ("y", "h", "source"):
                left, right = getattr(of_part, key, None), getattr(of_batch, key, None)
                assert (left is None and right is None) or torch.equal(left, right)


def test_what_stands_for_the_whole_batch_has_its_rows_and_each_share_its_own() -> None:
    share = Batch(torch.rand(2, 1, 4, 4), Given(y=torch.tensor([3, 5]), h=torch.rand(2, 6)))
    for rank in range(3):
        whole = Team(rank, 3).whole(share)
        assert whole.x.shape == (6, 1, 4, 4)
        assert whole.x.untyped_storage().nbytes() == share.x.untyped_storage().nbytes()
        own = rows.every(whole.given, rank, 3)
        torch.testing.assert_close((own.y, own.h), (share.given.y, share.given.h), rtol=0, atol=0)


def test_rows_that_do_not_divide_are_refused() -> None:
    with pytest.raises(InputError, match="batch=4 given to 3 processes, which cannot share it equally; take --batch 3"):
        cut_of(tiny.build("biggan"), Team(0, 3))
    with pytest.raises(InputError, match=r"batch=1 given to 2 processes, .* take --batch 2"):
        cut_of(tiny.build("csgan", batch=1), Team(0, 2))
    with pytest.raises(InputError, match="hold a multiple of 4 rows"):  # D compares four
        cut_of(tiny.build("stylegan2", group=4, batch=4), Team(0, 2))
    assert cut_of(tiny.build("stylegan2", group=4, batch=8), Team(0, 2)).parts == 1


def test_the_parts_of_a_recipe_are_shared() -> None:
    """As many rows at a time as the recipe says; with batch norm over all processes, in all of them together."""
    gan = tiny.build("biggan", batch=16, accumulate=8)
    parts = [cut_of(gan, Team(0, size)).parts for size in (1, 2, 4, 8, 16)]
    assert parts == [8, 4, 2, 1, 1]
    assert cut_of(gan, Team(0, 2), synced=True).parts == 8


def test_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parallel.own_device(torch.device("cuda:1")) == torch.device("cuda:1")  # alone
    for key, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "x", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(key, value)
    assert parallel.own_device(CPU) == CPU
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert parallel.own_device(torch.device("cuda")) == torch.device("cuda:1")
    with pytest.raises(InputError, match="--device cuda:0 given to 2 processes; pass cuda, of which each takes"):
        parallel.own_device(torch.device("cuda:0"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"2 or more processes on a machine with 1 GPU; .* --nproc-per-node 1"):
        parallel.own_device(torch.device("cuda"))


def test_the_same_command_again_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """For schedulers that start a job anew: from nothing, from where it stands, and after its end."""
    out = tmp_path / "run"
    command = ["train", *RUN, "--images", "640", "--out", str(out), "--or-resume"]
    assert running.main([*command[:-1]]) == 0
    assert running.main(command[:-1]) == 2  # without being asked to
    assert "already exists and is not empty" in capsys.readouterr().err
    assert running.main(command) == 0
    assert "has seen its 640 images already" in capsys.readouterr().err
    assert running.main([*command, "--images", "960"]) == 0
    assert "resuming" in capsys.readouterr().err
    assert running.main([*command, "--images", "1280", "--set", "G_width=8"]) == 2
    assert "resuming keeps the recipe; G_width: the run has 16, asked for 8" in capsys.readouterr().err
    assert running.main([*command[:-3], "--or-resume"]) == 2
    assert "--or-resume given without --out" in capsys.readouterr().err
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    assert running.main(command[:-3]) == 2
    assert "torchrun --max-restarts given without --out" in capsys.readouterr().err
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert running.main([*command[:-1], "--images", "1280"]) == 0
    assert running.images_seen(out) == 1280
