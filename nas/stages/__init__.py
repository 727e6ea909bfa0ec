"""The stages of a run, in order; each reads what the ones before wrote into the study."""

from collections.abc import Callable

from nas.config import Config
from nas.stages.adapt import adapt
from nas.stages.export import export
from nas.stages.report import report
from nas.stages.search import search
from nas.stages.train import train
from nas.stages.verify import verify
from nas.study import Study

STAGES: dict[str, Callable[[Study, Config], None]] = {
    "train": train,
    "adapt": adapt,
    "search": search,
    "verify": verify,
    "export": export,
    "report": report,
}
