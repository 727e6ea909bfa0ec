"""The ImageNet config's space is Once-for-All's."""

from pathlib import Path
from typing import Any

import numpy as np

from nas.config import load_config
from search_spaces.base import cardinalities

CONFIG = load_config(Path(__file__).parents[2] / "experiments/imagenet.yaml")


def space() -> Any:
    return CONFIG.space.build(image_shape=(224, 224, 3), classes=1000)


def test_it_has_as_many_networks_as_the_paper_says() -> None:
    made = space()
    names = [decision.name for decision in made.decisions]
    counts = cardinalities(made.decisions)
    networks = 1
    for stage in range(1, 6):
        columns = [i for i, name in enumerate(names) if name.startswith(f"stage{stage}.")]
        options = np.indices(counts[columns].tolist()).reshape(len(columns), -1)
        genotypes = np.zeros((options.shape[1], len(names)), np.int64)
        genotypes[:, columns] = options.T
        networks *= len(np.unique(made.canonical(genotypes)[:, columns], axis=0))
    # Cai et al. 2020, section 3.1: ((3 x 3)^2 + (3 x 3)^3 + (3 x 3)^4)^5, about 2 x 10^19, for each
    # of 25 resolutions; they trained two supernets, of widths 1.0 and 1.2.
    assert networks == (81 + 729 + 6561) ** 5
    assert round(networks / 1e19) == 2
    assert counts[: names.index("stage1.depth")].tolist() == [25, 2]


def test_rows_of_equal_blocks_share_their_operators() -> None:
    table = space().cost_table(batch_size=1, dtype="float32")
    # Distinct maps, rounded up at each halving: 25 images, 25 of half and of a quarter of the side,
    # 13 of an eighth (16 to 28 pixels), 7 of a sixteenth, 4 of a 32nd. Each stage's first block
    # reads what the stage before gives, the others what it gives; the fourth stage keeps its maps.
    blocks = (25 + 25) + (25 + 13) + (13 + 7) + (7 + 7) + (7 + 4)
    distinct = {id(row) for row in table.rows if row}
    assert len(distinct) == 2 * (25 + 9 * blocks + 4)
    # The rows also say which depths leave a block out.
    assert len(table.rows) == 25 * 2 * (2 + 20 * 3 * 9)
