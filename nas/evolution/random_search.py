"""Random search: uniform samples of what is feasible for some target. The others' yardstick."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nas.evolution.archive import Archive
from nas.evolution.goals import Goal
from nas.evolution.proposals import CostFunction, Seen, propose_unseen
from search_spaces import SearchSpace


class RandomSearch:
    """Asks for genotypes sampled by the space, none twice.

    Args:
        space: Where to search.
        costs: Predicts cost and constraint violation of canonical genotypes, a column a target.
        goals: What counts for each target; by default one cost each, in its own column.
        seed: What all randomness comes from.
    """

    def __init__(
        self,
        space: SearchSpace,
        costs: CostFunction,
        *,
        goals: Sequence[Goal] | None = None,
        seed: int,
    ) -> None:
        self._space = space
        self._costs = costs
        self._rng = np.random.default_rng(seed)
        self._seen = Seen()
        targets = costs(space.smallest[None])[1].shape[1]
        self.archive = Archive(decisions=len(space.decisions), targets=targets, goals=goals)

    def ask(self, n: int) -> Int[np.ndarray, "k d"]:
        """Up to `n` canonical genotypes never asked for before; fewer from an exhausted space."""
        genotypes = propose_unseen(
            n,
            self._candidates,
            space=self._space,
            costs=self._costs,
            seen=self._seen,
            rng=self._rng,
        )
        self._seen.add(genotypes)
        return genotypes

    def tell(self, genotypes: Int[np.ndarray, "n d"], error: Float[np.ndarray, " n"]) -> None:
        """Takes in evaluations: 1 - accuracy, NaN where it failed.

        Args:
            genotypes: Canonical; asked for here or known from elsewhere.
            error: One a genotype.
        """
        self._seen.add(genotypes)
        done = np.isfinite(error)
        if done.any():
            self.archive.add(genotypes[done], error[done], *self._costs(genotypes[done]))

    def state_dict(self) -> dict[str, Any]:
        """All that the next proposals depend on, as arrays and plain data."""
        return {
            "rng": self._rng.bit_generator.state,
            "seen": self._seen.genotypes(len(self._space.decisions)),
            "genotypes": self.archive.genotypes.copy(),
            "error": self.archive.error.copy(),
            "goals": self.archive.goals,
        }

    @classmethod
    def from_state(
        cls, state: dict[str, Any], space: SearchSpace, costs: CostFunction
    ) -> "RandomSearch":
        """Goes on exactly where `state_dict` was called."""
        search = cls(space, costs, goals=state["goals"], seed=0)
        search.tell(state["genotypes"], state["error"])
        search._seen.add(state["seen"])
        search._rng.bit_generator.state = state["rng"]
        return search

    def _candidates(self, n: int, number: int) -> Int[np.ndarray, "n d"]:
        return self._space.sample(n << number, self._rng)
