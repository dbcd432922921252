"""What a recording holds, as plain data."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rtstrf.record.recording import RecordedStream, Recording


def info_of(recording: Recording) -> dict[str, Any]:
    """Return what a recording holds, JSON-serialisable; every key names its unit."""
    manifest, greeting = recording.manifest, recording.manifest.greeting
    return {
        "folder": str(recording.folder),
        "label": manifest.label,
        "format": manifest.format,
        "software": manifest.software,
        "began_utc": manifest.began_utc,
        "run": greeting.run,
        "model": greeting.model,
        "weights_sha256": greeting.weights_sha256,
        "config": greeting.config.model_dump(),
        "device": greeting.device,
        "streams": [stream_info(own) for own in recording.streams.values()],
        "events": dict(Counter(event.name for event in recording.events)),
        "seals": len(recording.seals),
        "sealed_to_s": recording.seals[-1].t_ns / 1e9 if recording.seals else None,
        "end": recording.end,
        "running": recording.is_running,
        "bytes": sum(path.stat().st_size for path in recording.folder.rglob("*") if path.is_file()),
        "sha256": recording.sha256,
    }


def stream_info(own: RecordedStream) -> dict[str, Any]:
    """Return what is recorded of one stream."""
    gaps = own.messages["gap"]
    return {
        "name": own.name,
        "source": own.source.model_dump(),
        "sound_s": len(own.sound_pa) / own.source_rate_hz,
        "samples": len(own.sound_pa),
        "samples_lost": own.samples_lost,
        "blocks": len(own.blocks),
        "bins": len(own.rates_hz),
        "units": own.rates_hz.shape[1],
        "messages": len(own.messages),
        "gaps": int((gaps > 0).sum()),
        "bins_missing": int(gaps.sum()),
        "topics": list(own.topics),
    }
