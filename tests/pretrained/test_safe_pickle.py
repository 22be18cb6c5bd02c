"""Pickled networks are read, and what a pickle asks for is never run.

Each attack is first shown to be alive: Python's own reader runs it. Ours must then leave no trace of it.
"""

from __future__ import annotations

import copyreg
import functools
import importlib
import io
import operator
import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ganvas.errors import InputError
from ganvas.pretrained.safe_pickle import Record, loads, read_pickle, state_dict

PROTOCOLS = (2, 3, 4, 5)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.tied = self.body[0]
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("view", torch.arange(6.0).view(2, 3).t())
        self.register_buffer("fleeting", torch.ones(1), persistent=False)
        self.register_parameter("none", None)
        self.register_module("gone", None)


class Call:
    """Pickled, it is a call of a function on arguments."""

    def __init__(self, function: Any, *args: Any, state: Any = None) -> None:
        self.call = (function, args) if state is None else (function, args, state)

    def __reduce__(self) -> Any:
        return self.call


class Kept(dict):
    """A dict of its own class, as networks keep their settings in."""


def rebuild_from(meta: Any) -> Any:
    """Stands for the function that networks name as their maker; calling it would be running the file's code."""
    return meta["function"](meta["state"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_values_containers_arrays_and_tensors(protocol):
    shared = [1]
    given = {
        "plain": [None, True, -3, 2**70, 1.5, "text", b"\x00\xff", (1, (2,)), {"a": {}}, {3, 4}, frozenset([5])],
        "array": np.arange(6.0).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        "number": np.float32(0.25),
        "ordered": OrderedDict(b=1, a=2),
        "parameter": nn.Parameter(torch.tensor([1.0, 2.0])),
        "view": torch.arange(6).view(2, 3).t()[1:],
        "half": torch.ones(2, dtype=torch.float16),
        "twice": [shared, shared],
    }
    read = loads(pickle.dumps(given, protocol=protocol))
    assert list(read) == list(given)
    for key in ("plain", "number", "ordered", "twice"):
        assert read[key] == given[key]
    assert read["twice"][0] is read["twice"][1]
    for key in ("array", "fortran"):
        assert read[key].dtype == given[key].dtype
        np.testing.assert_array_equal(read[key], given[key])
    for key in ("parameter", "view", "half"):
        assert_close(read[key], given[key].detach(), rtol=0, atol=0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_module_becomes_its_state_dict(protocol, tmp_path):
    torch.manual_seed(0)
    net = Net()
    path = tmp_path / "net.pkl"
    path.write_bytes(pickle.dumps({"G": net}, protocol=protocol))
    read = read_pickle(path)
    assert isinstance(read["G"], Record)
    ours, theirs = state_dict(read["G"]), net.state_dict()
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        assert_close(ours[key], value, rtol=0, atol=0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_module_inside_a_makers_settings(protocol):
    """As the published networks are: a function is named that would run source text on a dict of settings."""
    meta = Kept(kind="class", source="raise SystemExit", state=vars(Net()), function=print)
    del meta["function"]
    read = loads(pickle.dumps(Call(rebuild_from, meta), protocol=protocol))
    assert read.name.endswith("rebuild_from")
    assert read.args[0].items["source"] == "raise SystemExit"
    assert {"scale", "body.0.weight", "tied.bias"} < state_dict(read).keys()


def touch(path: Path) -> str:
    return f"open({str(path)!r}, 'w').close()"


def attacks(mark: Path) -> dict[str, bytes]:
    """Pickles that create a file when they run."""
    command, code = f"touch '{mark}'", touch(mark)
    assembled = pickle.PROTO + b"\x04" + b"".join(map(short, ("posix", "system"))) + pickle.STACK_GLOBAL
    chain = Call(getattr, Call(importlib.import_module, "os"), "system")
    built = {
        "os.system": Call(os.system, command),
        "eval": Call(eval, code),
        "exec": Call(exec, code),
        "subprocess": Call(subprocess.call, ["touch", str(mark)]),
        "getattr chain": Call(map_list, chain, [command]),
        "operator": Call(operator.call, chain, command),
        "partial": Call(functools.partial(os.system, command)),
        "copyreg": Call(copyreg._reconstructor, Maker, Maker, code),
        "new": Maker.unmade(code),
        "in a key": {Call(eval, f"{code} or 1"): 1},
        "in a state": Call(Kept, state={"a": Call(eval, code)}),
        "setstate": Call(Loaded, state=code),
        "in a tensor": Call(torch.storage._load_from_bytes, saved(Call(os.system, command))),
        "foreign function": Call(run_command, command),
    }
    by_hand = {
        "STACK_GLOBAL": assembled + short(command) + pickle.TUPLE1 + pickle.REDUCE + pickle.STOP,
        "GLOBAL": b"cos\nsystem\n(S" + repr(command).encode() + b"\ntR.",
        "INST": b"(S" + repr(command).encode() + b"\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nS" + repr(command).encode() + b"\no.",
        "memo": b"cos\nsystem\np0\n0(g0\nS" + repr(command).encode() + b"\n0" + b"tg0\n(S" + repr(command).encode()
        + b"\ntR.",
        "after a stop": b"cos\nsystem\n(S" + repr(command).encode() + b"\ntR0N.N.",
        "extension": extension() + short(command) + pickle.TUPLE1 + pickle.REDUCE + pickle.STOP,
    }  # fmt: skip
    return {**{name: pickle.dumps(value, protocol=4) for name, value in built.items()}, **by_hand}


def saved(value: Any) -> bytes:
    """A file of torch.save in its old form, the one that tensors are pickled in."""
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def short(text: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(text.encode())]) + text.encode()


def extension() -> bytes:
    """os.system under a number of Python's registry of short names."""
    if ("posix", "system") not in copyreg._extension_registry:
        copyreg.add_extension("posix", "system", 0xF0)
    return pickle.PROTO + b"\x04" + pickle.EXT1 + b"\xf0"


def map_list(function: Any, values: Any) -> Any:
    return [function(value) for value in values]


def run_command(command: str) -> int:
    return os.system(command)


class Maker:
    def __new__(cls, code: str) -> Any:
        exec(code)
        return object.__new__(cls)

    @classmethod
    def unmade(cls, code: str) -> Any:
        maker = object.__new__(cls)
        maker.code = code
        return maker

    def __getnewargs__(self) -> tuple[str]:
        return (self.code,)


class Loaded:
    def __setstate__(self, code: str) -> None:
        exec(code)


NAMES = sorted(attacks(Path("x")))
INERT = {"new", "setstate", "foreign function"}  # name classes or functions of no library: kept as records


@pytest.mark.parametrize("name", NAMES)
def test_nothing_runs(name, tmp_path, monkeypatch):
    mark = tmp_path / "ran"
    data = attacks(mark)[name]
    pickle.loads(data)
    assert mark.exists(), "the attack is not alive"
    mark.unlink()

    monkeypatch.setattr(importlib, "import_module", lambda *a: pytest.fail("something was imported"))
    if name in INERT:
        assert isinstance(loads(data, "evil.pkl"), Record)
    else:
        with pytest.raises(InputError, match=r"^evil\.pkl .*never run") as caught:
            loads(data, "evil.pkl")
        assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_what_is_named_is_never_imported(tmp_path, monkeypatch):
    (tmp_path / "gadget.py").write_text(touch(tmp_path / "ran"))
    monkeypatch.syspath_prepend(str(tmp_path))
    read = loads(b"cgadget\nrun\n(S'x'\ntR.")
    assert (read.name, read.args) == ("gadget.run", ("x",))
    assert "gadget" not in sys.modules
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "damaged"),
        (b"hello", "damaged"),
        (b"\x80\x04.", "damaged"),
        (b"(((.", "damaged"),
        (pickle.dumps([1, 2])[:-3], "damaged"),
        (b"\x80\x04]\x8c\x01x\x85R.", "calls something that is not a name"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n}S'__code__'\nNsb.", "changes a Name"),
        (b"\x80\x04NQ.", "BINPERSID"),
        (b"Pkey\n.", "PERSID"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x04}]Ns.", "as a key"),
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.", "damaged"),
        (b"cnumpy\ndtype\n(S'V8'\ntR.", "expected numbers"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(NI0\n(I1\ntI1\ntR.", "Storage"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(cevil\nkind\n(I0\ntS'b'\ntR.", "unknown kind"),
        (pickle.dumps(Call(OrderedDict, [([], 1)])), "as a key"),
        (pickle.dumps(np.arange(3, dtype=">i4"), protocol=4), "big-endian"),
        (b"c__builtin__\neval\n.", "__builtin__.eval"),
    ],
)
def test_damage_and_tricks_are_one_line(data, message):
    with pytest.raises(InputError, match=message) as caught:
        loads(data)
    assert "\n" not in str(caught.value)


def test_nested_tuples_as_keys_do_not_end_the_process():
    """Hashing them would run out of C stack, which nothing can catch."""
    with pytest.raises(InputError, match="as a key"):
        loads(b"\x80\x04})" + b"\x85" * 200_000 + b"Ns.")


def test_a_tensor_may_not_reach_beyond_its_storage():
    storage = pickle.dumps(torch.zeros(4))
    view = loads(storage)
    assert view.shape == (4,)
    for size, stride, offset in (((5,), (1,), 0), ((2,), (4,), 0), ((2,), (1,), 3), ((1000, 1000), (0, 0), 0)):
        with pytest.raises(InputError, match="damaged"):
            loads(pickle.dumps(Call(torch._utils._rebuild_tensor_v2, Typed(), offset, size, stride, False, None)))


class Typed:
    """Pickled, it is a storage of four numbers."""

    def __reduce__(self) -> Any:
        return torch.zeros(4)._typed_storage().__reduce__()


def test_modules_nested_without_end_are_refused(monkeypatch):
    monkeypatch.setattr("ganvas.pretrained.safe_pickle.MOST_MODULES", 100)
    module: dict[str, Any] = {"_parameters": {}, "_modules": {}}
    module["_modules"]["self"] = module
    with pytest.raises(InputError, match="more than 100 modules"):
        state_dict(loads(pickle.dumps(module)))
    ring: dict[str, Any] = {}
    ring["ring"] = ring
    with pytest.raises(InputError, match="no torch module at its top"):
        state_dict(loads(pickle.dumps(ring)))
    with pytest.raises(InputError, match="no torch module at its top"):
        state_dict(loads(pickle.dumps({"a": [1]})))


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="not a file"):
        read_pickle(tmp_path / "no.pkl")
