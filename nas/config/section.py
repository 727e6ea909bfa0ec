"""What every mapping of a config file is."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of the file: immutable, no unknown keys, no conversions between types."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
