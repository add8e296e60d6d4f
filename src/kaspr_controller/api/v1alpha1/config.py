"""KasprAppConfig: the settings that become `K_*` environment variables of the members.

In: `spec.config`. Out: typed settings and, in `passthrough`, the keys this program does not know: they reach the runtime by
plain upper-casing, which existing users rely on. Invariant: one runtime setting has one value, so the snake_case spelling of
a known key counts as that key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from kaspr_controller.api.modelling import INT32, JSON_SAFE, Part, TextToo, json_name
from kaspr_controller.api.rules import late

SettingSerializer = Annotated[str, Field(min_length=1, max_length=64)]
_ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Switch = Annotated[bool, TextToo()]
Number = Annotated[int, Field(ge=1, le=INT32), TextToo()]
NumberOrZero = Annotated[int, Field(ge=0, le=INT32), TextToo()]
Bytes = Annotated[int, Field(ge=0, le=JSON_SAFE), TextToo()]
Seconds = Annotated[float, Field(ge=0), TextToo()]


class KasprAppConfig(Part):
    """KasprApp configuration parameters; keys that are not listed become variables `K_<KEY IN CAPITALS>` as they are.

    Numbers and booleans may be written as text too.
    """

    model_config = ConfigDict(extra="allow")

    table_dir: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        pattern="^/",
        description="Directory of the table state in the pod; absent means `/var/lib/data/tables`.",
    )
    topic_replication_factor: Annotated[int, Field(ge=1, le=32767), TextToo()] | None = Field(
        None,
        description="The default replication factor for topics created by the application; absent means 3.",
    )
    topic_partitions: Number | None = Field(
        None,
        description="Default number of partitions for topics created by the application; absent means 3. Cannot change "
        "after the app was created.",
    )
    topic_allow_declare: Switch | None = Field(
        None, description="Whether or not creation of topics is allowed; absent means true."
    )
    key_serializer: SettingSerializer | None = Field(
        None, description="Default serializer of keys; absent means `raw`."
    )
    value_serializer: SettingSerializer | None = Field(
        None, description="Default serializer of values; absent means `json`."
    )
    scheduler_enabled: Switch | None = Field(
        None, description="Whether or not the message scheduler is enabled; absent means false."
    )
    scheduler_cron_enabled: Switch | None = Field(
        None,
        description="Whether or not cron schedules of messages are enabled, which enables the scheduler too.",
    )
    scheduler_debug_stats_enabled: Switch | None = Field(
        None,
        description="Whether or not scheduler debug statistics are printed to the log; absent means false.",
    )
    scheduler_topic_partitions: Number | None = Field(
        None,
        description="Number of partitions for internal scheduler topics; absent means the general default.",
    )
    scheduler_checkpoint_save_interval_seconds: Seconds | None = Field(
        None, description="How often checkpoints are saved to storage and changelog topic; absent means 1.3."
    )
    scheduler_dispatcher_default_checkpoint_lookback_days: NumberOrZero | None = Field(
        None,
        description="Days the dispatcher looks back for a starting point when no checkpoint is found; absent means 7.",
    )
    scheduler_dispatcher_checkpoint_interval: Seconds | None = Field(
        None,
        description="How often the dispatcher's location in the timetable is saved, in seconds; absent means 10.",
    )
    scheduler_janitor_checkpoint_interval: Seconds | None = Field(
        None,
        description="How often the janitor's location in the timetable is saved, in seconds; absent means 10.",
    )
    scheduler_janitor_clean_interval_seconds: Seconds | None = Field(
        None, description="How often the janitor attempts to clean; absent means 3."
    )
    scheduler_janitor_highwater_offset_seconds: Seconds | None = Field(
        None, description="Seconds the janitor trails the highwater timetable location; absent means 14400."
    )
    scheduler_cron_tick_interval_seconds: Seconds | None = Field(
        None, description="How often cron schedules are looked at; absent means 30."
    )
    scheduler_cron_tick_buffer_seconds: Seconds | None = Field(
        None,
        description="How far ahead cron occurrences are planned; absent means 600. Must exceed the tick interval and be "
        "at least twice the minimum interval.",
    )
    scheduler_cron_min_interval_seconds: Seconds | None = Field(
        None, description="Shortest interval of a cron schedule; absent means 5."
    )
    store_rocksdb_write_buffer_size: Bytes | None = Field(
        None, description="Write buffer of the scheduler's tables in bytes; absent means 67108864 (64 MB)."
    )
    store_rocksdb_max_write_buffer_number: Number | None = Field(
        None, description="Maximum number of write buffers of the scheduler's tables; absent means 3."
    )
    store_rocksdb_target_file_size_base: Bytes | None = Field(
        None,
        description="Target size of level-1 files of the scheduler's tables; absent means 67108864 (64 MB).",
    )
    store_rocksdb_block_cache_size: Bytes | None = Field(
        None,
        description="Cache for uncompressed data of the scheduler's tables, in bytes; absent means about 30 % of the "
        "memory limit.",
    )
    store_rocksdb_block_cache_compressed_size: Bytes | None = Field(
        None,
        description="Cache for compressed data of the scheduler's tables; absent means 268435456 (256 MB).",
    )
    store_rocksdb_bloom_filter_size: NumberOrZero | None = Field(
        None, description="Accepted and passed on; the runtime does not read it."
    )
    store_rocksdb_set_cache_index_and_filter_blocks: Switch | None = Field(
        None, description="Whether index and filter blocks are stored in the block cache; absent means false."
    )
    web_base_path: str | None = Field(
        None, max_length=1024, description="Accepted and passed on; the runtime does not use it."
    )
    web_port: Annotated[int, Field(ge=1024, le=65535), TextToo()] | None = Field(
        None, description="Port of the members' web server, 1024 to 65535; absent means 6065."
    )
    web_metrics_base_path: str | None = Field(
        None, max_length=1024, description="Prefix of the path `/metrics` of the members; absent means none."
    )

    @property
    def passthrough(self) -> dict[str, Any]:
        """The keys beside the known ones, as written; null means absent."""
        return {key: value for key, value in (self.model_extra or {}).items() if value is not None}

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or not any(key in _SPELLINGS for key in value):
            return value
        renamed = {_SPELLINGS.get(key, key): item for key, item in value.items()}
        return renamed | {key: item for key, item in value.items() if key in _KNOWN}

    @late(
        "a schema cannot type keys it does not know",
        "keys that are passed through must be names of environment variables and their values text, numbers or booleans",
    )
    def _passthrough_is_flat(self) -> bool:
        return all(
            _ENV_KEY.fullmatch(key) is not None and isinstance(value, str | int | float)
            for key, value in self.passthrough.items()
        )


_KNOWN = frozenset(json_name(name) for name in KasprAppConfig.model_fields)
_SPELLINGS = {name: json_name(name) for name in KasprAppConfig.model_fields}
