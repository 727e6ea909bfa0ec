"""An architecture's JSON document as what the page draws: facts, and groups of blocks.

Blocks belong together when their slots share all but the last part: "stage2.block1" and
"stage2.block2" are stage 2. Nothing is assumed about a block but that it is a mapping with plain
values, so every space can be drawn.
"""

from collections.abc import Mapping
from typing import Any, cast

ENVELOPE = ("format", "version", "blocks")


def draw_architecture(architecture: Mapping[str, object]) -> dict[str, Any]:
    """Facts as name → text, and groups as `{"name", "blocks": [{"slot", "kind", ...}]}`, in order.

    Args:
        architecture: The document that `Architecture.to_json` writes, parsed.

    Raises:
        ValueError: If `blocks` is missing or holds something other than mappings.
    """
    blocks = architecture.get("blocks")
    if not isinstance(blocks, list) or not all(isinstance(block, Mapping) for block in blocks):
        raise ValueError(f"architecture: blocks must be a list of mappings, got {blocks!r}")
    facts = {key: _text(value) for key, value in architecture.items() if key not in ENVELOPE}
    groups: list[dict[str, Any]] = []
    for block in cast("list[Mapping[str, object]]", blocks):
        slot = str(block.get("slot", ""))
        name = slot.rpartition(".")[0] or slot or str(block.get("kind", "block"))
        if not groups or groups[-1]["name"] != name:
            groups.append({"name": name, "blocks": []})
        groups[-1]["blocks"].append(dict(block))
    return {"facts": facts, "groups": groups}


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return " × ".join(map(str, cast("list[object]", value)))
    return str(value)
