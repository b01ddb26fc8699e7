"""The built pages as files: links, pictures, titles, the header of a chapter, terms. Needs no browser."""

from __future__ import annotations

import html.parser
import json
import re
import urllib.parse
from functools import cache
from pathlib import Path

import pydata_sphinx_theme
import pytest
from built import ROOT, SITE, chapters, content_pages

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(html.parser.HTMLParser):
    """What the tests ask about one page: its ids, links, pictures, drawings, title and description."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.ids, self.links, self.files = path, [], [], []
        self.images, self.drawings, self.meta, self.open = [], [], {}, []
        self.title, self.lang = "", None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "html":
            self.lang = values.get("lang")
        elif tag == "a" and values.get("href"):
            self.links.append(values["href"])
        elif tag == "img":
            self.images.append(values)
        elif tag == "svg":
            inside = any(name == "hidden" for name in self.open)
            self.drawings.append((values, inside))
        elif tag == "meta":
            self.meta[values.get("property") or values.get("name")] = values.get("content")
        for key in ("src", "href"):
            if tag in ("script", "link", "img", "source") and values.get(key):
                self.files.append(values[key])
        if tag not in VOID:
            named = values.get("aria-label") and values.get("role") in ("img", "group")
            self.open.append(
                "hidden"
                if values.get("aria-hidden") == "true" or named
                else "title"
                if tag == "title" and "title" not in self.open and not self.title
                else tag
            )

    def handle_endtag(self, tag):
        if tag not in VOID and self.open:
            self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] == "title":
            self.title += data


@cache
def page(path: Path) -> Page:
    return Page(path)


def built_pages() -> list[Path]:
    skip = {"_static", "_sources", "_downloads"}
    return sorted(p for p in SITE.rglob("*.html") if not skip & set(p.relative_to(SITE).parts))


def follow(origin: Path, link: str) -> tuple[Path, str] | None:
    """Where an internal link leads: the file and the anchor; None for a link to elsewhere."""
    parts = urllib.parse.urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    path = urllib.parse.unquote(parts.path)
    target = (origin.parent / path).resolve() if path else origin.resolve()
    return (target / "index.html" if target.is_dir() else target), urllib.parse.unquote(parts.fragment)


def test_each_internal_link_and_anchor_resolves():
    broken, seen = [], 0
    for path in built_pages():
        for link in page(path).links:
            found = follow(path, link)
            if found is None or link in ("#", "#top"):
                continue
            seen += 1
            target, anchor = found
            if not target.exists():
                broken.append(f"{path.relative_to(SITE)}: {link} leads to no file")
            elif anchor and target.suffix == ".html" and anchor not in page(target).ids:
                broken.append(f"{path.relative_to(SITE)}: {link} leads to no place")
    assert seen > 50
    assert not broken, "\n".join(broken[:30])


def test_each_script_style_and_picture_is_a_file_of_the_site():
    for path in built_pages():
        for name in page(path).files:
            if name.startswith("data:"):
                continue
            if re.match(r"(https?:)?//", name):
                canonical = name.startswith(page(path).meta.get("og:url") or "\0")
                assert canonical, f"{path.relative_to(SITE)} asks another machine for {name}"
                continue
            target, _ = follow(path, name)
            assert target.exists(), f"{path.relative_to(SITE)}: {name} is missing"


def test_no_identifier_twice():
    for name in content_pages():
        ids = page(SITE / f"{name}.html").ids
        twice = sorted({identifier for identifier in ids if ids.count(identifier) > 1})
        assert not twice, f"{name}: {twice}"


def test_each_picture_has_words():
    for path in built_pages():
        for image in page(path).images:
            if image.get("role") == "presentation":
                continue
            assert image.get("alt", "").strip(), (
                f"{path.relative_to(SITE)}: an <img> without alt, {str(image)[:200]}"
            )
        for values, inside_hidden in page(path).drawings:
            named = values.get("aria-label") or values.get("aria-labelledby")
            assert named or values.get("aria-hidden") == "true" or inside_hidden, (
                f"{path.relative_to(SITE)}: an <svg> without a name, {str(values)[:200]}"
            )


def test_titles_and_descriptions():
    titles = {}
    for name in content_pages():
        found = page(SITE / f"{name}.html")
        assert found.lang == "en"
        assert found.title.strip() and found.title.count("Deep Learning for Language") == 1, found.title
        titles.setdefault(found.title, []).append(name)
        for key in ("og:title", "og:type", "og:description", "og:site_name", "description", "viewport"):
            assert found.meta.get(key), f"{name} has no {key}"
    assert all(len(names) == 1 for names in titles.values()), titles


def test_without_an_address_nothing_pretends_to_know_one():
    """The address of the site is one setting. These pages were built without it, unless somebody set it."""
    if (SITE / "sitemap.xml").exists():
        pytest.skip("this site was built with its address")
    for name in content_pages():
        assert "og:url" not in page(SITE / f"{name}.html").meta
        assert "og:image" not in page(SITE / f"{name}.html").meta


def test_the_header_of_a_chapter(chapter):
    text = (SITE / f"{chapter}.html").read_text(encoding="utf-8")
    header = re.search(r'<ul class="chapter-header".*?</ul>', text, flags=re.DOTALL)
    assert header, "the chapter has no header"
    assert re.search(r"\d+ min to read", header[0])
    link = re.search(r'href="([^"]+\.ipynb)" download', header[0])[1]
    target, _ = follow(SITE / f"{chapter}.html", link)
    notebook = json.loads(target.read_text(encoding="utf-8"))
    assert notebook["cells"], "what is downloaded is the notebook"
    assert 'class="left-prev"' in text and 'class="right-next"' in text


def test_a_chapter_has_the_number_of_its_file(chapter):
    match = re.match(r"chapters/(\d\d)_", chapter)
    if not match:
        pytest.skip("an appendix has no number")
    text = (SITE / f"{chapter}.html").read_text(encoding="utf-8")
    heads = re.findall(r'<h[12]><span class="section-number">(\d+)\.', text)
    assert len(heads) > 5
    assert set(heads) == {str(int(match[1]))}


def test_the_glossary_has_three_languages():
    text = (SITE / "chapters" / "glossary.html").read_text(encoding="utf-8")
    entries = len(re.findall(r'<dt id="term-[^>]*>(?:(?!<dt).)*?<dd>', text, flags=re.DOTALL))
    assert entries >= 50
    assert text.count('lang="zh-Hans"') == entries
    assert text.count('lang="ja"') == entries


def test_each_term_leads_to_where_it_is_introduced():
    if not chapters():
        pytest.skip("there is no chapter in the table of contents yet")
    text = (SITE / "chapters" / "glossary.html").read_text(encoding="utf-8")
    entries = re.findall(r'<dt id="term-([^"]+)">((?:(?!<dt).)*?<dd>.*?</dd>)', text, flags=re.DOTALL)
    assert len(entries) >= 50
    lost = [name for name, entry in entries if 'class="introduced"' not in entry]
    assert not lost, f"no chapter introduces these terms in bold: {lost}"


def test_a_bold_term_leads_to_the_glossary():
    if not chapters():
        pytest.skip("there is no chapter in the table of contents yet")
    text = (SITE / f"{chapters()[0]}.html").read_text(encoding="utf-8")
    assert text.count("glossary-link") >= 10
    for anchor in re.findall(r'class="glossary-link[^"]*" href="glossary\.html#([^"]+)"', text):
        assert anchor in page(SITE / "chapters" / "glossary.html").ids


def test_the_map_is_honest():
    """A chapter that is built is a link; one that is not is called planned."""
    text = (SITE / "index.html").read_text(encoding="utf-8")
    cards = re.findall(r'<li class="map-card.*?</li>', text, flags=re.DOTALL)
    assert len(cards) == 10
    for card in cards:
        link = re.search(r'href="(chapters/[^"]+)"', card)
        assert bool(link) != ("planned</span>" in card)
        if link:
            assert (SITE / link[1]).exists()
    core = [name for name in chapters() if re.match(r"chapters/(0\d|10)_", name)]
    assert sum("href=" in card for card in cards) == len(core)


def test_only_what_is_used_is_shipped():
    """The whole site is small enough to save, and MathJax's unused parts are not in it."""
    assert not (SITE / "_static" / "mathjax" / "tex-mml-svg.js").exists()
    assert (SITE / "_static" / "favicon.svg").exists()
    assert not [*(SITE / "_static").rglob("*.map"), *(SITE / "_static").rglob("*.ttf")]
    for name in content_pages():
        text = (SITE / f"{name}.html").read_text(encoding="utf-8")
        assert "THEBE_JS_URL" not in text and "fontawesome.js" not in text and "sections.js" not in text
        assert "sphinx_highlight.js" not in text
    assert "sections.js" in (SITE / "search.html").read_text(encoding="utf-8")
    assert not (SITE / "searchindex.js").exists() and not (SITE / "_static" / "searchtools.js").exists()


def test_every_icon_that_a_page_names_keeps_its_rule():
    """The theme names two thousand icons, and the pages get the rules of those that are used."""
    name = Path("static", "styles", "pydata-sphinx-theme.css")
    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme"
    before = (theme / name).read_text(encoding="utf-8")
    after = (SITE / "_static" / "styles" / name.name).read_text(encoding="utf-8")
    assert len(after) < 0.9 * len(before)
    html = "".join(path.read_text(encoding="utf-8") for path in built_pages())
    icons = {icon for icon in re.findall(r"\bfa-[a-z0-9-]+", html) if f".{icon}:before" in before}
    assert len(icons) > 5
    assert all(f".{icon}:before" in after for icon in icons)


def test_the_sources_have_no_folder_that_sphinx_would_inject():
    assert not (ROOT / "_static").exists()
