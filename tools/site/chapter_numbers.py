"""A chapter has the number of its file, whether or not the chapters before it are there yet."""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.application import Sphinx


def number_by_file_name(app: Sphinx, env) -> list[str]:
    """Replace the chapter's part of all section, equation and exercise numbers by that of its file name.

    Sphinx counts the chapters in the table of contents, so a chapter that is not written yet would shift all
    that follow.
    """
    changed = []
    for docname, sections in env.toc_secnumbers.items():
        match = re.match(r"chapters/(\d\d)_", docname)
        if not match or not sections.get("") or sections[""][0] == int(match[1]):
            continue
        number = int(match[1])
        changed.append(docname)
        for anchor, numbers in sections.items():
            if numbers:
                sections[anchor] = (number, *numbers[1:])
        for entries in env.toc_fignumbers.get(docname, {}).values():
            for name, numbers in entries.items():
                entries[name] = (number, *numbers[1:])
        references = env.tocs[docname].findall(nodes.reference)
        for node in (*references, env.titles[docname], env.longtitles[docname]):
            if node.get("secnumber"):
                node["secnumber"] = (number, *node["secnumber"][1:])
    return changed


def setup(app: Sphinx) -> None:
    app.connect("env-get-updated", number_by_file_name, priority=900)
