"""The address of the site and that of the repository; what needs one is left out where it is not set."""

from __future__ import annotations

import html
import os
from pathlib import Path

from sphinx.application import Sphinx


def read_settings(app: Sphinx, config) -> None:
    """Take the site's and the repository's address from the environment or from ``_config.yml``.

    ``BOOK_SITE_URL`` (or ``html.baseurl``) turns on the sitemap, canonical links and the address in Open
    Graph tags. ``BOOK_REPOSITORY_URL`` (or ``repository.url``) turns on the buttons that run a chapter
    elsewhere, ``BOOK_JUPYTERLITE_URL`` the one for a JupyterLite that is hosted beside the site.
    """
    site = (os.environ.get("BOOK_SITE_URL") or config.html_baseurl or "").strip()
    config.html_baseurl = config.ogp_site_url = site.rstrip("/") + "/" if site else ""
    options = config.html_theme_options
    repository = (os.environ.get("BOOK_REPOSITORY_URL") or options.get("repository_url") or "").strip()
    options.pop("repository_url", None)
    options["launch_buttons"] = {}
    options["navbar_persistent"] = []  # one search button, in the side bar, is enough
    config.mathjax_path = "mathjax/startup.js"  # which loads the parts named by mathjax3_config
    if repository:
        options["repository_url"] = repository.rstrip("/")
        options["repository_branch"] = os.environ.get("BOOK_REPOSITORY_BRANCH", "main")
        options["use_repository_button"] = True


def write_sitemap(app: Sphinx, exception) -> None:
    """Write ``sitemap.xml`` and ``robots.txt``; a sitemap needs absolute addresses, so only with one set."""
    if exception or app.builder.name != "html" or not app.config.html_baseurl:
        return
    pages = sorted(app.env.found_docs)
    urls = [
        app.config.html_baseurl + ("" if page == app.config.root_doc else app.builder.get_target_uri(page))
        for page in pages
    ]
    lines = [f"  <url><loc>{html.escape(url)}</loc></url>" for url in urls]
    Path(app.outdir, "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n' + "\n".join(lines) + "\n</urlset>\n",
        encoding="utf-8",
    )
    Path(app.outdir, "robots.txt").write_text(
        f"User-agent: *\nAllow: /\nSitemap: {app.config.html_baseurl}sitemap.xml\n", encoding="utf-8"
    )


def setup(app: Sphinx) -> None:
    app.connect("config-inited", read_settings, priority=100)
    app.connect("build-finished", write_sitemap)
