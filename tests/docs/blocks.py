"""The code blocks of a Markdown page, and how each says that it is checked.

The line before a block is a comment that readers do not see, `<!-- check: WORD... -->`:

- `run`: Python is executed, a shell's lines are run; all blocks of a page share names and files;
- `file=NAME`: is written to that file, which later blocks use;
- `install`: with `file`, TOML whose entry points are installed;
- `config`: YAML that a config accepts, what it lacks being taken from a small one;
- `command`: lines of a shell that take too long or need a device: arguments and files are checked;
- `data`: can be parsed as what its language says;
- `figure`: a drawing in characters, or what a program prints; nothing to check;
- `test=PATH`: that test of ours does all with it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

WORDS = {"run", "file", "install", "config", "command", "data", "figure", "test"}
_MARK = re.compile(r"<!-- check: (.*) -->")


@dataclass(frozen=True)
class Block:
    """One code block.

    Attributes:
        place: Page and line, for messages.
        language: As the fence says; empty for an indented block.
        text: What it holds.
        checks: The words of its mark; empty where it has none.
    """

    place: str
    language: str
    text: str
    checks: dict[str, str]


def blocks_of(page: Path) -> list[Block]:
    """The page's blocks in order."""
    found: list[Block] = []
    mark, ends = "", -1
    for token in MarkdownIt().parse(page.read_text()):
        start, end = token.map or (-1, -1)
        if token.type == "html_block":
            mark, ends = token.content.strip(), end
        if token.type not in ("fence", "code_block"):
            continue
        match = _MARK.fullmatch(mark) if ends == start else None
        words = match[1].split() if match else []
        checks = {name: value for name, _, value in (word.partition("=") for word in words)}
        place = f"{page.name}:{start + 1}"
        found.append(Block(place, token.info.strip(), token.content, checks))
    return found


def inline_code(page: Path) -> list[str]:
    """What stands between backticks in the running text."""
    return [
        " ".join(child.content.split())
        for token in MarkdownIt().enable("table").parse(page.read_text())
        for child in token.children or ()
        if child.type == "code_inline"
    ]
