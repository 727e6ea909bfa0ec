"""One whole run, made once; tests work on copies of its study."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from nas.cli import main
from tests.nas.cli.conftest import nas
from tests.nas.stages import tiny

__all__ = ["copied", "finished", "nas"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The study of `tiny.CONFIG`, run in this process to its end; not to be written to."""
    place = tmp_path_factory.mktemp("finished")
    (place / "tiny.yaml").write_text(tiny.CONFIG, encoding="utf-8")
    config: Any = jax.config
    cache = config.jax_compilation_cache_dir
    shortest = config.jax_persistent_cache_min_compile_time_secs
    # JAX decides at its first compilation whether it has a cache.
    compilation_cache.reset_cache()
    with pytest.MonkeyPatch.context() as kept:
        # All tests and the processes that they start compile once.
        kept.setenv("JAX_COMPILATION_CACHE_DIR", str(place / "compiled"))
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(place)
            with pytest.raises(SystemExit) as ended:
                main(["run", "tiny.yaml"])
        assert ended.value.code == 0
        yield place / "runs/tiny"
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", shortest)
    compilation_cache.reset_cache()


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of the finished study, optionally as it was before a stage."""
    return lambda before="": tiny.copy_study(finished, tmp_path / "study", before=before)
