"""The peers of `search_nb201.py`, on one device each: what other libraries do with the same budget.

Every peer is a function of a problem and a random generator that evaluates networks until the
problem has had enough. A network asked for again costs nothing, up to `TRIES` times the budget:
samplers that learn from all trials slow down with every repetition. All work on the operations of
the six edges, minimise error and latency, and have the settings of their library unless said
otherwise.
"""

import contextlib
import warnings
from collections.abc import Callable

import numpy as np

EDGES, OPERATIONS = 6, 5
PLACES = OPERATIONS ** np.arange(EDGES)[::-1]
TRIES = 5


class EnoughError(Exception):
    """The budget is spent."""


class Problem:
    """Networks by number, error and latency scaled to about 0..1.

    Args:
        objectives: Of every network, `[15625, 2]`.
        evaluations: How many different networks may be evaluated.
    """

    def __init__(self, objectives: np.ndarray, evaluations: int) -> None:
        self.objectives, self.evaluations = objectives, evaluations
        self.asked: dict[int, None] = {}
        self._tries = 0

    def __call__(self, genotype: np.ndarray) -> np.ndarray:
        """Error and latency of a network.

        Raises:
            EnoughError: Once the budget is spent, or has been asked for `TRIES` times over.
        """
        self._tries += 1
        self.asked.setdefault(int(np.asarray(genotype) @ PLACES))
        if len(self.asked) > self.evaluations or self._tries > TRIES * self.evaluations:
            raise EnoughError
        return self.objectives[int(np.asarray(genotype) @ PLACES)]


def random(problem: Problem, seed: int) -> None:
    """Uniform samples without repetition."""
    rng = np.random.default_rng(seed)
    for network in rng.permutation(len(problem.objectives)):
        problem(network // PLACES % OPERATIONS)


def regularized_evolution(problem: Problem, seed: int) -> None:
    """Real et al., "Regularized evolution for image classifier architecture search", AAAI 2019.

    Population 50, tournaments of 10. It has one objective: each tournament draws how error and
    latency are weighted.
    """
    rng = np.random.default_rng(seed)
    population = list(rng.integers(OPERATIONS, size=(50, EDGES)))
    values = [problem(genotype) for genotype in population]
    while True:
        weight = rng.random()
        drawn = rng.choice(len(population), 10, replace=False)
        best = min(drawn, key=lambda i: weight * values[i][0] + (1 - weight) * values[i][1])
        child = population[best].copy()
        edge = rng.integers(EDGES)
        child[edge] = (child[edge] + rng.integers(1, OPERATIONS)) % OPERATIONS
        population.append(child)
        values.append(problem(child))
        del population[0], values[0]


def pymoo_nsga2(problem: Problem, seed: int) -> None:
    """NSGA-II, population 50, integer variables with pymoo's own operators for them."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    class Networks(ElementwiseProblem):
        def __init__(self) -> None:
            super().__init__(n_var=EDGES, n_obj=2, xl=0, xu=OPERATIONS - 1, vtype=int)

        def _evaluate(self, x, out, *args, **kwargs) -> None:
            out["F"] = problem(x)

    algorithm = NSGA2(
        pop_size=50,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
        mutation=PM(eta=20, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    minimize(
        Networks(), algorithm, ("n_gen", TRIES * problem.evaluations), seed=seed, verbose=False
    )


def optuna_nsga2(problem: Problem, seed: int) -> None:
    """NSGA-II, population 50, categorical variables."""
    import optuna

    _optuna(problem, optuna.samplers.NSGAIISampler(population_size=50, seed=seed))


def optuna_tpe(problem: Problem, seed: int) -> None:
    """Multi-objective TPE, categorical variables."""
    import optuna

    _optuna(problem, optuna.samplers.TPESampler(seed=seed))


def _optuna(problem: Problem, sampler: object) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        chosen = [trial.suggest_categorical(f"e{i}", range(OPERATIONS)) for i in range(EDGES)]
        error, latency = problem(np.array(chosen))
        return float(error), float(latency)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
        study.optimize(objective, n_trials=TRIES * problem.evaluations)


PEERS: dict[str, Callable[[Problem, int], None]] = {
    "pymoo NSGA-II": pymoo_nsga2,
    "Optuna NSGA-II": optuna_nsga2,
    "Optuna TPE": optuna_tpe,
    "regularized evolution": regularized_evolution,
    "random": random,
}


def search(name: str, objectives: np.ndarray, evaluations: int, seed: int) -> np.ndarray:
    """The networks that a peer evaluates, in order, each once."""
    problem = Problem(objectives, evaluations)
    with contextlib.suppress(EnoughError):
        PEERS[name](problem, seed)
    return np.array(list(problem.asked))[:evaluations]
