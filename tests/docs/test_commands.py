"""Every command of README and docs is typed here: by the parser all, on tiny data those of the tour and the first hour.

What needs files of others (published weights, big data sets) or a browser is parsed alone.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

import ganvas
from ganvas.cli import main, parser
from ganvas.features import own
from tests.docs.test_paths import PAGES, ROOT

FOREIGN = ("import", "fetch", "serve", "translate", "prepare", "reproduce", "push")  # commands that are only parsed
OTHERS = {"--like", "icgan"}  # in commands that want a model of another kind than the tour has made
RUN = {"README.md", "docs/first-hour.md"}  # pages whose commands are run
WIDTHS = {
    "wgan": ["G_width=4", "D_width=4", "dim_z=4", "n_critic=1"],
    "unetgan": ["G_ch=4", "D_ch=4"],
    "any": ["G_ch=8", "D_ch=8", "dim_z=20", "shared_dim=4"],
}  # paper -> what makes it small


def blocks(text: str) -> list[str]:
    """The blocks of a page that begin with ``` and no language, or with bash."""
    return re.findall(r"^```(?:bash|sh)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """What a page has one type: the words of each line that begins with ganvas, lines that go on joined."""
    lines = "\n".join(blocks(page.read_text(encoding="utf-8"))).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("ganvas ")]


ALL = [(str(page.relative_to(ROOT)), words) for page in PAGES for words in commands(page)]


def typed(case: tuple[str, list[str]]) -> str:
    return f"{case[0]}: {' '.join(case[1])}"


@pytest.mark.parametrize("case", ALL, ids=typed)
def test_it_parses(case: tuple[str, list[str]]) -> None:
    if case[1][:3] != ["ganvas", "train", "r1gan"]:
        args = parser().parse_args(case[1][1:])
        assert args.run


def test_the_pages_have_commands() -> None:
    assert len(ALL) > 80
    assert {page for page, _ in ALL} >= RUN


@pytest.fixture(autouse=True)
def _quick_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five steps: what the features are worth is not asked here."""
    monkeypatch.setattr(own, "LEAST_STEPS", 5)
    monkeypatch.setattr(own, "EPOCHS", 0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands name: photos, a preset of one's own."""
    base = tmp_path_factory.mktemp("docs")
    for i in range(12):
        for folder in ("photos", "letters"):
            path = base / folder / "ab"[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.effect_noise((40, 40), 40 + 5 * i).convert("RGB").save(path)
    toml = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert toml is not None
    (base / "mine.toml").write_text(toml[1])
    return base


def small(words: list[str]) -> list[str]:
    """The same command for a second instead of an hour: few images, narrow networks, few samples."""
    if words[1] == "train" and "--resume" not in words:
        name = words[2]
        narrow = next(sizes for paper, sizes in WIDTHS.items() if name.startswith(paper) or paper == "any")
        narrow = narrow if not name.endswith(".toml") else [w for w in narrow if not w.startswith(("G_ch", "D_ch"))]
        return [*words, "--images", "16", "--batch", "8", "--device", "cpu", "--set", *narrow]
    if words[1] == "train":
        at = words.index("--images") if "--images" in words else len(words)
        return [*words[:at], "--images", "24"]
    if words[1] == "evaluate":
        return [*[w for w in words if w not in ("-n", "1000")], "-n", "100", "--metrics", "fid"]
    return words


def told(words: list[str], page: str) -> list[str]:
    """The names that a page leaves open, filled in."""
    names = {"MODEL": "runs/biggan-digits-digits" if "--scores" not in words else "unet"}
    return [names.get(word, word.replace("./photos", "photos")) for word in words]


@pytest.mark.parametrize("page", sorted(RUN))
def test_a_page_runs_from_top_to_bottom(page: str, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page: what a command needs, one before it has made, or the page says where it comes from."""
    monkeypatch.chdir(world)
    shutil.rmtree(world / "runs", ignore_errors=True)
    here = [told(words, page) for where, words in ALL if where == page]
    assert len(here) >= 5
    if page == "README.md":  # its tour shows commands for models that it calls MODEL
        for train in (
            "ganvas train biggan-digits --data digits",
            "ganvas train unetgan-digits --data digits --out unet",
        ):
            assert main(small(shlex.split(train))[1:]) == 0
        shutil.copy(ROOT / "LICENSE", "b.json")
    for words in here:
        if words[1] in FOREIGN or OTHERS & {*words}:
            continue
        if words[1] == "compare":
            shutil.copy("a.json", "b.json")
        assert main(small(words)[1:]) == 0, words


def test_the_page_on_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first block as it stands, but for the length of the run and the number of samples."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert block is not None
    short = block[1].replace("images=600_000", "images=32, batch=8, G_width=4, D_width=4, dim_z=4, n_critic=1")
    assert short != block[1]
    exec(compile(short.replace("n=1000", "n=100"), "python.md", "exec"), {})
    assert {"grid.png", "mine.json"} <= {path.name for path in tmp_path.iterdir()}
    assert ganvas.load(tmp_path / "runs" / "mine", "cpu").images_seen == 0


def test_the_page_on_sharing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first block as it stands."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "sharing.md").read_text(encoding="utf-8")
    block = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert block is not None
    exec(compile(block[1], "sharing.md", "exec"), {})
    assert "model-index:" in (tmp_path / "mine" / "README.md").read_text()
