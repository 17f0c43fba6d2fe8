"""The report of a run: static pages that open offline."""

from benchmark.report.build import build_report

__all__ = ["build_report"]
