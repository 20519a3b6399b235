"""Numbers to one self-contained HTML page (`build`), and attempts to the terminal (`terminal`)."""

from openhorizon.report.build import build
from openhorizon.report.data import ReportData, collect

__all__ = ["ReportData", "build", "collect"]
