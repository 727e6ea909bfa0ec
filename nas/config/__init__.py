"""What a user may ask for: one YAML file, checked in full before anything runs.

`load_config(path, overrides)` gives a `Config`; every mistake is a `ConfigError` of one line that
names the key.
"""

from nas.config.loading import ConfigError, load_config, parse_config
from nas.config.models import (
    AugmentConfig,
    Config,
    DataConfig,
    ExportConfig,
    MemberChoice,
    SearchConfig,
    SpaceConfig,
    TargetConfig,
    TrainConfig,
    VerifyConfig,
)
from nas.config.schema import config_schema
from nas.config.tracking import MlflowConfig, TrackingConfig, WandbConfig

__all__ = [
    "AugmentConfig",
    "Config",
    "ConfigError",
    "DataConfig",
    "ExportConfig",
    "MemberChoice",
    "MlflowConfig",
    "SearchConfig",
    "SpaceConfig",
    "TargetConfig",
    "TrackingConfig",
    "TrainConfig",
    "VerifyConfig",
    "WandbConfig",
    "config_schema",
    "load_config",
    "parse_config",
]
