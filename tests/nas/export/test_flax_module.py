"""The exported Flax module: it stands alone, gives the logits, and can be trained further."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from nas.export.formats import FORMATS
from nas.supernet.standalone import StandaloneNetwork, network_definition
from search_spaces import (
    NasBench201Options,
    NasBench201Space,
    ResNetOptions,
    ResNetSpace,
    ViTOptions,
    ViTSpace,
)
from tests.nas.export.alone import run_alone
from tests.nas.supernet import tiny

IMAGE = (8, 8, 1)


@cache
def network(name: str) -> StandaloneNetwork:
    spaces: dict[str, Any] = {
        "mobilenet": tiny.small_space,
        "nasbench201": lambda: NasBench201Space(
            NasBench201Options(widths=[4, 8], cells=1), IMAGE, 10
        ),
        "resnet": lambda: ResNetSpace(ResNetOptions(), IMAGE, 10),
        "vit": lambda: ViTSpace(ViTOptions(), IMAGE, 10),
    }
    space = spaces[name]()
    return tiny.random_network(space.decode(space.smallest if name != "mobilenet" else space.largest))
