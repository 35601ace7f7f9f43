"""All sources of images. A reader is imported when its source is listed."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.data.sources.archive_sources import ARCHIVE_SOURCES
from runtime.data.sources.label_sources import LABEL_SOURCES
from runtime.data.sources.object_sources import OBJECT_SOURCES
from runtime.data.sources.published_sources import PUBLISHED_SOURCES
from runtime.data.sources.source import Source

_ALL = (*LABEL_SOURCES, *OBJECT_SOURCES, *ARCHIVE_SOURCES, *PUBLISHED_SOURCES)
SOURCES: Mapping[str, Source] = {source.entry.name: source for source in _ALL}
