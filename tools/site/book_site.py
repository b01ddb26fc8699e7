"""Sphinx extension of this book's site."""

from __future__ import annotations


def drop_thebe(app) -> None:
    """Remove the scripts of sphinx-thebe, which this site does not use.

    Jupyter Book always loads the extension, and it declares the same constants twice on every page, which
    the browser reports as an error.
    """
    def is_thebe(script) -> bool:
        return "THEBE_JS_URL" in (script.attributes.get("body") or "") or "thebe" in str(script.filename)

    files = app.builder._js_files if hasattr(app.builder, "_js_files") else []
    files[:] = [script for script in files if not is_thebe(script)]


def setup(app):
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
