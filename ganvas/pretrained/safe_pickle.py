"""Reads the tensors out of pickled networks and runs nothing of what the file says.

StyleGAN2-ADA and its descendants publish pickles of whole objects, which a normal reader rebuilds by calling whatever
the file names. Here the file's instructions are walked one by one (`pickletools` only splits them): plain values and
containers are built, tensors and arrays are rebuilt by the functions of `rebuilding.py`, a name of anything else
becomes an inert `Record`, and nothing is ever imported or called by name. Names from Python's standard library, which
no network needs and attacks live on, are refused, as is every instruction not listed here.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ganvas.errors import InputError
from ganvas.files import kind_of
from ganvas.pretrained.rebuilding import MAKERS, Name, OtherType, Refused, expected, fill_array, flat_key, make_set

MOST_MODULES = 100_000  # a module may stand in two places; this many nestings of that are an attack
DAMAGE = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, RecursionError, RuntimeError, TypeError,
    ValueError, pickle.UnpicklingError, struct.error,
)  # fmt: skip


@dataclass(eq=False, repr=False)
class Record:
    """An object that was not built: its class or maker, and what the file would have handed to it."""

    name: str
    args: tuple[Any, ...]
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    elements: list[Any] = field(default_factory=list)


def read_pickle(path: str | Path) -> Any:
    """What a pickle file holds: containers, tensors, arrays and Records.  Raises InputError, in one line"""
    path = Path(path)
    if kind_of(path) != "file":
        raise InputError(f"{path} is not a file; give a pickled network (.pkl)")
    return loads(path.read_bytes(), path.name)


def loads(data: bytes, name: str = "the pickle") -> Any:
    """As `read_pickle`, of bytes."""
    try:
        return Machine().run(data)
    except Refused as error:
        raise InputError(f"{name} {error}, and pickled code is never run; do not trust this file") from None
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{name} is damaged or no pickled network: {reason}; fetch it again") from None


def read_npy(path: str | Path) -> Any:
    """The one object of an array of objects, as `numpy.save` writes a dict.  Raises InputError, in one line"""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file; give an array of objects (.npy)")
    with path.open("rb") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, kind = read(file)
        except ValueError as error:
            raise InputError(f"{path.name} is no array of NumPy's ({str(error)[:80]}); fetch it again") from None
        held = loads(file.read(), path.name) if kind.hasobject and shape == () else None
    values = held.state[4] if isinstance(held, Record) and held.name == "numpy.ndarray" else None
    if not isinstance(values, list) or len(values) != 1:
        raise InputError(f"{path.name} holds an array of {kind} {list(shape)}, expected a single object, as a dict")
    return values[0]


def state_dict(network: Any, name: str = "the network") -> dict[str, Tensor]:
    """The parameters and lasting buffers of a pickled torch module, by name.  Raises InputError where there is none"""
    state: dict[str, Tensor] = {}
    waiting = [("", network)]
    for _ in range(MOST_MODULES):
        if not waiting:
            return state
        prefix, record = waiting.pop()
        module = _module(record)
        if module is None:
            raise InputError(f"{name} holds no torch module at {prefix or 'its top'}; give a pickled network")
        fleeting = module.get("_non_persistent_buffers_set") or ()
        for kind in ("_parameters", "_buffers"):
            for key, value in (module.get(kind) or {}).items():
                if isinstance(value, Tensor) and key not in fleeting:
                    state[f"{prefix}{key}"] = value
        inner = module.get("_modules") or {}
        waiting += [(f"{prefix}{key}.", value) for key, value in inner.items() if value is not None]
    raise InputError(f"{name} has more than {MOST_MODULES} modules, expected a network; do not trust this file")


def _module(record: Any) -> Mapping[str, Any] | None:
    """The attributes of a torch module, wherever its pickling put them, the nearest first."""
    waiting, met = [record], set()
    for value in waiting:  # grows while it is walked: breadth first
        if id(value) in met:
            continue
        met.add(id(value))
        if isinstance(value, Record):
            waiting += [value.state, value.items, *value.args]
        elif isinstance(value, dict):
            if isinstance(value.get("_parameters"), dict) and isinstance(value.get("_modules"), dict):
                return value
            waiting += value.values()
        elif isinstance(value, tuple):
            waiting += value
    return None


class Machine:
    """The pickle's stack, memo and instructions: the table at the end says which instructions there are."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under the marks
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(io.BytesIO(data)):
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in VALUES:
                self.stack.append(argument)
            elif opcode.name in INSTRUCTIONS:
                INSTRUCTIONS[opcode.name](self, argument)
            else:
                raise Refused(f"holds the instruction {opcode.name}, which no network needs")
        raise EOFError("it ends too early")

    def push(self, value: Any) -> None:
        # Not `stack.append(...)` in the table: its argument may exchange the stack.
        self.stack.append(value)

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        top, self.stack = self.stack, self.below.pop()
        return top

    def several(self, count: int) -> tuple[Any, ...]:
        top = tuple(self.stack[len(self.stack) - count :])
        if len(top) < count:
            raise IndexError("the stack is empty")
        del self.stack[-count:]
        return top

    def push_name(self, module: Any, attribute: Any) -> None:
        path = f"{module}.{attribute}"
        root = str(module).partition(".")[0]
        if (root in sys.stdlib_module_names or root in ("__builtin__", "copy_reg")) and path not in MAKERS:
            raise Refused(f"asks for {path[:80]!r}")
        self.stack.append(Name(path))

    def make(self, maker: Any, args: Any, keywords: Any = None) -> None:
        if not isinstance(maker, Name) or not isinstance(args, tuple):
            raise Refused("calls something that is not a name")
        if keywords:
            self.stack.append(Record(maker.path, args, items={flat_key(k): v for k, v in keywords.items()}))
        elif maker.path in MAKERS:
            self.stack.append(MAKERS[maker.path](*args))
        else:
            self.stack.append(Record(maker.path, args))

    def build(self) -> None:
        """What `__setstate__` would have been given."""
        state = self.stack.pop()
        made = self.stack[-1]
        if isinstance(made, Record):
            made.state = state
        elif isinstance(made, np.ndarray) and isinstance(state[2], OtherType):  # no numbers: what it holds stays inert
            self.stack[-1] = Record("numpy.ndarray", (), state)
        elif isinstance(made, np.ndarray):
            fill_array(made, state)
        elif isinstance(made, OtherType):  # its byte order and the like
            pass
        elif isinstance(made, np.dtype):
            if state[1] not in ("<", "|", "="):
                raise ValueError("big-endian arrays")
        elif not isinstance(made, dict | Tensor):  # attributes of an ordered dict or of a parameter: dropped
            raise Refused(f"changes a {type(made).__name__}")

    def append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        (target.elements if isinstance(target, Record) else expected(target, list)).extend(values)

    def add(self, values: list[Any]) -> None:
        expected(self.stack[-1], set).update(make_set(values))

    def set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        items = target.items if isinstance(target, Record) else expected(target, dict)
        items.update(_pairs(values))

    def remember(self, index: Any) -> None:
        self.memo[int(index)] = self.stack[-1]

    def recall(self, index: Any) -> None:
        self.stack.append(self.memo[int(index)])


def _pairs(values: list[Any]) -> dict[Any, Any]:
    return {flat_key(key): value for key, value in zip(values[::2], values[1::2], strict=True)}


VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES",
    "BINBYTES8",
}  # fmt: skip
INSTRUCTIONS: dict[str, Callable[[Machine, Any], Any]] = {
    "PROTO": lambda m, _: None,
    "FRAME": lambda m, _: None,
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "EMPTY_SET": lambda m, _: m.push(set()),
    "MARK": lambda m, _: m.mark(),
    "BYTEARRAY8": lambda m, data: m.push(bytes(data)),
    "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "TUPLE1": lambda m, _: m.push(m.several(1)),
    "TUPLE2": lambda m, _: m.push(m.several(2)),
    "TUPLE3": lambda m, _: m.push(m.several(3)),
    "LIST": lambda m, _: m.push(m.since_mark()),
    "DICT": lambda m, _: m.push(_pairs(m.since_mark())),
    "FROZENSET": lambda m, _: m.push(make_set(m.since_mark())),
    "APPEND": lambda m, _: m.append([m.stack.pop()]),
    "APPENDS": lambda m, _: m.append(m.since_mark()),
    "SETITEM": lambda m, _: m.set_items(list(m.several(2))),
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    "ADDITEMS": lambda m, _: m.add(m.since_mark()),
    "POP": lambda m, _: m.stack.pop() if m.stack else m.since_mark(),
    "POP_MARK": lambda m, _: m.since_mark(),
    "DUP": lambda m, _: m.push(m.stack[-1]),
    "PUT": lambda m, index: m.remember(index),
    "BINPUT": lambda m, index: m.remember(index),
    "LONG_BINPUT": lambda m, index: m.remember(index),
    "MEMOIZE": lambda m, _: m.remember(len(m.memo)),
    "GET": lambda m, index: m.recall(index),
    "BINGET": lambda m, index: m.recall(index),
    "LONG_BINGET": lambda m, index: m.recall(index),
    "GLOBAL": lambda m, path: m.push_name(*path.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.push_name(*m.several(2)),
    "REDUCE": lambda m, _: m.make(*m.several(2)),
    "NEWOBJ": lambda m, _: m.make(*m.several(2)),
    "NEWOBJ_EX": lambda m, _: m.make(*m.several(3)),
    "BUILD": lambda m, _: m.build(),
}
