"""All protocols as a table."""

from benchmark.core.markdown import markdown_table
from benchmark.core.storage import Storage
from benchmark.scoring.metrics.catalogue import ANY_METRIC
from benchmark.scoring.metrics.protocols import PROTOCOLS


def protocol_table() -> str:
    """All protocols as a Markdown table, as in docs/protocols.md."""
    heads = (
        "protocol", "stored", "colour", "size", "SSIM window", "metrics", "follows", "confirmed by"
    )  # fmt: skip
    rows = [
        (
            f"`{protocol.name}`",
            _stored(protocol.storage),
            protocol.colour,
            protocol.size,
            protocol.ssim or "–",
            ", ".join(m.acronym for m in ANY_METRIC.values() if m.protocol is protocol),
            protocol.source,
            protocol.agrees_with,
        )
        for protocol in PROTOCOLS.values()
    ]
    notes = [f"- `{protocol.name}`: {protocol.description}" for protocol in PROTOCOLS.values()]
    return "\n".join([markdown_table(heads, rows), "", *notes])


def _stored(storage: Storage) -> str:
    levels = "rounded" if storage.quantise == "round" else "truncated"
    return levels if storage.jpeg_quality is None else f"JPEG {storage.jpeg_quality}"
