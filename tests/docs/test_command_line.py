"""docs/command-line.md says what the parser takes.  `python -m tests.docs.test_command_line` writes it anew."""

from __future__ import annotations

import argparse
from pathlib import Path

from ganvas.cli import COMMANDS, parser

PAGE = Path(__file__).resolve().parents[2] / "docs" / "command-line.md"
HEAD = """# The command line

Made from the parser by `python -m tests.docs.test_command_line`; a test holds the two together. `ganvas COMMAND --help`
says the same. Exit status: 0 done, 1 a run that its watch stopped, 2 wrong input (one line says what, and what to do),
130 or 143 stopped by Ctrl-C or SIGTERM with the state saved.
"""


def page() -> str:
    """The page as the parser has it now."""
    top = parser()
    commands = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    return HEAD + "".join(section(name, commands.choices[name]) for name in COMMANDS)


def section(name: str, command: argparse.ArgumentParser) -> str:
    """One command: its words, then a row for each argument and option."""
    actions = [action for action in command._actions if action.dest != "help"]
    given = " ".join(f"[{shown(a)}]" if a.nargs in ("?", "*") else shown(a) for a in actions if not a.option_strings)
    rows = "".join(f"| `{shown(action)}` | {said(action)} |\n" for action in actions)
    typed = f"ganvas {name} {given}".strip()
    return f"\n## ganvas {name}\n\n`{typed}`: {command.description}.\n\n| | |\n|---|---|\n{rows}"


def shown(action: argparse.Action) -> str:
    """An argument as it is typed."""
    value = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    )
    value = f"{value} ..." if action.nargs in ("+", "*") else f"{value}"
    if not action.option_strings:
        return value
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def said(action: argparse.Action) -> str:
    """Its help, fit for a table."""
    return (action.help or "").replace("%%", "%").replace("|", "\\|") + (
        ", needed" if action.required and action.option_strings else ""
    )


def test_the_page_is_what_the_parser_takes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: python -m tests.docs.test_command_line"


def test_every_option_says_something() -> None:
    commands = next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        silent = [shown(a) for a in command._actions if not a.help and a.option_strings]
        assert not silent, (name, silent)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
