"""Subnets executed as chains of blocks against the largest network with masks, in float64."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nas.supernet.engine import BlockChain
from tests.nas.supernet import tiny
from tests.nas.supernet.executed import input64
from tests.nas.supernet.masked import masked_logits, masks

# Everything is elastic but the resolution, which decides the masked network's shapes.
SPACE = tiny.space(resolutions=[8])


def test_a_subnet_has_the_logits_and_gradients_of_the_masked_largest_network() -> None:
    shared = tiny.random_weights(SPACE)
    d_logits = np.random.default_rng(2).standard_normal((6, 10))
    chain = BlockChain()

    @jax.jit
    def masked(weights: Any, live: Any, images: Any, d_logits: Any) -> Any:
        logits, pullback = jax.vjp(lambda w: masked_logits(SPACE, w, live, images), weights)
        return logits, pullback(d_logits)[0]

    genotypes = [SPACE.smallest, *SPACE.sample(1, np.random.default_rng(4))]
    with jax.enable_x64(True):
        weights = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), shared)
        for genotype in genotypes:
            architecture = SPACE.decode(genotype)
            images = jnp.asarray(input64(architecture))
            logits, tape = chain.forward(weights, architecture, images)
            zeros = jax.tree.map(jnp.zeros_like, weights)
            gradients = chain.backward(tape, jnp.asarray(d_logits), zeros)
            found = jax.tree.map(np.asarray, (logits, gradients))
            wanted = masked(weights, masks(SPACE, architecture), images, d_logits)
            assert jax.tree.structure(found) == jax.tree.structure(wanted)
            for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8)
    # Something is masked in each.
    assert not any((genotype == SPACE.largest).all() for genotype in genotypes)
    assert (genotypes[0] != genotypes[1]).any()
