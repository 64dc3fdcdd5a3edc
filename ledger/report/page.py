"""The page of a report: one file that needs no other, for a browser and for paper."""

from __future__ import annotations

from ledger import __version__
from ledger.authors import short
from ledger.report.collect import Report

BASIS_MEANINGS = {
    "exact": "the API server's audit log leaves nobody else",
    "strong": "an admission policy stamped the name as it was written",
    "probable": "one request fits, but something else might have",
    "claimed": "the name is one that a client gave itself",
    "unknown": "nothing says who it was",
}


def page(report: Report) -> str:
    """The report as HTML: no script, no reference to anything outside, everything escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ledger.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = short
    template = environment.get_template("changes.html")
    return template.render(report=report, meanings=BASIS_MEANINGS, version=__version__)
