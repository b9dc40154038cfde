"""The settings of a deployment: environment variables ``VAGT_*``."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All settings, with the defaults that serve a single machine."""

    model_config = SettingsConfigDict(env_prefix="VAGT_", frozen=True)

    kafka_bootstrap: str = "localhost:9092"
    topic_prefix: str = ""
    replication: Annotated[int, Field(ge=1, le=9)] = 1
    partitions: Annotated[int, Field(ge=1, le=1000)] = 4
    data_dir: Path = Path.home() / ".local" / "share" / "vagt"
    #: A platform's own topics and their form, for instance ``lab=native,vitals=fhir``.
    doors: str = ""
    max_event_bytes: Annotated[int, Field(ge=1024, le=32 * 1024 * 1024)] = 1024 * 1024
    #: How far ``issued`` may lie ahead of the record's own Kafka timestamp, when live. Seconds or ISO 8601 (PT10M).
    max_skew: timedelta = timedelta(minutes=10)
    #: False for replays of the past: nothing is refused for its time, and no ticks are written.
    live: bool = True
    #: Alerts per 100 patient-days that a ward is meant to be given at most: `vagt burden` reports against it.
    ward_budget: Annotated[float, Field(gt=0)] = 25.0
    #: The list of critical results: the name of one that ships, or the path of a region's own.
    critical_results: str = "region_sjaelland"
    timezone: str = "Europe/Copenhagen"

    @field_validator("timezone")
    @classmethod
    def _is_a_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError):
            raise ValueError(f"VAGT_TIMEZONE={name} is no time zone; try Europe/Copenhagen") from None
        return name

    @property
    def group(self) -> str:
        """The consumer group, and the first part of all that belongs to this deployment."""
        return f"{self.topic_prefix}vagt"

    @property
    def max_skew_ms(self) -> int:
        """``max_skew`` in milliseconds."""
        return int(self.max_skew / timedelta(milliseconds=1))

    def topic(self, name: str) -> str:
        """A topic's name in this deployment."""
        return f"{self.topic_prefix}{name}"

    @property
    def door_topics(self) -> tuple[str, ...]:
        """The platform's own topics, by the names that ``VAGT_DOORS`` gives."""
        return tuple(door.partition("=")[0].strip() for door in self.doors.split(",") if door.strip())

    @property
    def door_forms(self) -> dict[str, str]:
        """The doors' topics (in full) and the form that each speaks: ``native`` or ``fhir``.

        Raises:
            ValueError: ``VAGT_DOORS`` is not of the form ``topic=form,topic=form``.
        """
        found = {self.topic("fhir"): "fhir"}
        for door in filter(None, (part.strip() for part in self.doors.split(","))):
            name, _, form = door.partition("=")
            if not name or form not in {"native", "fhir"}:
                raise ValueError(f"VAGT_DOORS: {door!r} is not topic=native or topic=fhir")
            found[self.topic(name)] = form
        return found
