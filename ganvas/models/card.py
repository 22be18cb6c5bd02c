"""The card of a model folder, README.md: text for people over a head of YAML that model hubs read.

Here: what stands in it.  Not here: the folder it lies in (folder.py), the way to a hub (hub.py).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ganvas.config import Config
from ganvas.files import printable
from ganvas.gan import GAN
from ganvas.metrics.compare import describe
from ganvas.metrics.protocol import Score

if TYPE_CHECKING:
    from ganvas.models.folder import Description

PICTURE = "samples.png"
UNKNOWN = "unknown"
WORDS = ("yes", "off", "true", "false", "null")  # which YAML takes for values
LICENCES = (  # as hubs spell them; any other is "other", with its name
    "afl-3.0", "agpl-3.0", "apache-2.0", "bsd", "bsd-2-clause", "bsd-3-clause", "cc", "cc-by-2.0", "cc-by-3.0",
    "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "gpl-2.0", "gpl-3.0", "isc", "lgpl-3.0", "mit", "mpl-2.0", "openrail",
    "other", "unlicense", UNKNOWN,
)  # fmt: skip


def text(gan: GAN, description: Description, score: str, scores: Sequence[Score] = (), place: str = ".") -> str:
    """The whole card.  score: a line on how the model stands; scores: with protocols; place: what MODEL is there"""
    return f"---\n{yaml(head(gan, description, scores))}---\n\n{body(gan, description, score, scores, place)}"


def without_head(card: str) -> str:
    """What people read of a card."""
    return re.sub(r"\A---\n.*?^---\n\s*", "", card, count=1, flags=re.DOTALL | re.MULTILINE)


def head(gan: GAN, description: Description, scores: Sequence[Score]) -> dict[str, Any]:
    """What hubs read: library, licence, tags, task, and a record for each score."""
    task = task_of(gan)
    name = description.preset or description.paper
    told: dict[str, Any] = {"library_name": "ganvas", **licence(description.licence)}
    told["tags"] = list(dict.fromkeys(["gan", "ganvas", "image-generation", description.paper, name]))
    if task:
        told["pipeline_tag"] = task
    records = [record(score, task or "other") for score in scores if math.isfinite(score.value)]
    return told | ({"model-index": [{"name": name, "results": records}]} if records else {})


def task_of(gan: GAN) -> str | None:
    """The task as hubs call it; None for points."""
    if not gan.seeds_suffice:
        return "image-to-image"
    return "unconditional-image-generation" if gan.config.resolution else None


def licence(name: str) -> dict[str, str]:
    """The licence as hubs spell it."""
    plain = slug(name)
    if not plain or plain in LICENCES:
        return {"license": plain or UNKNOWN}
    return {"license": "other", "license_name": plain}


def record(score: Score, task: str) -> dict[str, Any]:
    """A score as one result of a model index, its protocol with it."""
    p = score.protocol
    how = p.model_dump(mode="json", exclude_defaults=True, exclude={"reference", "split", "versions"})
    args = how | {k: v for k, v in (("spread", score.spread), ("interval", score.interval)) if v is not None}
    data = {"type": slug(p.reference) or UNKNOWN, "name": p.reference or UNKNOWN}
    metric = {"type": slug(score.name), "name": score.name, "value": score.value}
    return {
        "task": {"type": task},
        "dataset": data | ({"split": p.split} if p.split else {}),
        "metrics": [metric | ({"args": args} if args else {})],
    }


def slug(name: str) -> str:
    """The name in small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")


def body(gan: GAN, description: Description, score: str, scores: Sequence[Score], place: str) -> str:
    """What people read: what the model is, how to sample it, where it comes from, how it scored."""
    c, data, training = gan.config, description.data, description.training
    size = "x".join(map(str, c.shape[1:])) + f", {c.channels} channels" if c.resolution else f"points of {c.channels}"
    size = size if c.resolution else f"{size} coordinate{'s' if c.channels > 1 else ''}"
    players = ", ".join(f"{name} {count:,}" for name, count in gan.parameter_counts().items())
    named = [printable(name) for name in description.class_names if name.strip()]
    classes = f"\n- Classes: {', '.join(named)}" if named else ""
    origin = ""
    if "seed" in training:
        count, fingerprint = data.get("count"), str(data.get("fingerprint"))[:12]
        origin = f"- Trained on: {data.get('name')} ({count} images, fingerprint {fingerprint})\n"
        origin += f"- Seed {training['seed']}, {training.get('precision')}, ganvas {description.ganvas}\n"
    owned = f"\n- Licence: {printable(description.licence)}" if description.licence else ""
    notes = "".join(f"\n- {note}" for note in description.notes)
    use = f"sample {place} -n 64 --seed 0 --out grid.png"
    use = use if gan.seeds_suffice else f"translate {place} IMAGES --to b --out out"
    script = "" if place == "." else f'\n```python\nimport ganvas\n\ngan = ganvas.load("{place}")\n```\n'
    rows = "\n".join(f"| {key} | {value} |" for key, value in shown_fields(c, "seed" in training).items())
    return f"""# {description.preset or description.paper}

{gan.title}.

![samples]({PICTURE})

```
ganvas {use}
```
{script}
- Output: {size}{classes}
- Parameters: {players}
{origin}- {score}{owned}{notes}
{scored(scores)}
Nothing in this folder can execute code: weights are safetensors, everything else is text and pictures.

| field | value |
|---|---|
{rows}
"""


def scored(scores: Sequence[Score]) -> str:
    """The scores for people, each with how it was made."""
    lines = "\n".join(f"- {' '.join(describe(score).split())}" for score in scores)
    return f"\n## Scores\n\n{lines}\n" if lines else ""


def shown_fields(config: Config, trained: bool) -> dict[str, Any]:
    """The fields that a card shows: those that count; of a model that was not trained here what the networks are."""
    fields = config.counting()
    if trained:
        return fields
    of_networks = ("resolution", "channels", "conditional", "num_classes")
    of_training = set(Config.model_fields) - set(of_networks)
    generator_alone = bool(fields.get("G_only"))
    return {
        name: value
        for name, value in fields.items()
        if name not in of_training and not (generator_alone and name.startswith("D_"))
    }


def yaml(value: dict[str, Any], indent: int = 0) -> str:
    """Dicts, lists and plain values as YAML: strings quoted as JSON has them, so that nothing is taken for a number."""
    lines = []
    for key, part in value.items():
        name = key if re.fullmatch(r"[a-z_-]{3,}", key) and key not in WORDS else json.dumps(key)
        lines.append(f"{' ' * indent}{name}:{inner(part, indent)}")
    return "\n".join(lines) + "\n" * (indent == 0)


def inner(part: Any, indent: int) -> str:
    """What follows a key's colon."""
    if isinstance(part, dict) and part:
        return "\n" + yaml(part, indent + 2)
    if isinstance(part, list | tuple) and any(isinstance(item, dict | list) for item in part):
        return "".join("\n" + item_of(item, indent) for item in part)
    return f" {plain(part)}"


def item_of(item: Any, indent: int) -> str:
    """One entry of a list, on lines of its own."""
    if not isinstance(item, dict) or not item:
        return f"{' ' * indent}- {plain(item)}"
    block = yaml(item, indent + 2)
    return f"{' ' * indent}- {block[indent + 2 :]}"


def plain(value: Any) -> str:
    """A value on one line.  YAML 1.1 wants a dot in 1e-08, and names what is no number otherwise than JSON."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(plain(item) for item in value)}]"
    if isinstance(value, float):
        if not math.isfinite(value):
            return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
        return re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))
    return json.dumps(value)
