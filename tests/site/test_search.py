"""The search finds the section that a reader means, by the field's standard terms."""

from __future__ import annotations

import re

import pytest
from built import SITE

# What somebody looks for, and the page whose section comes first, or right behind the glossary.
TERMS = {
    "perceptron": "01",
    "cross-entropy": "01",
    "softmax": "01",
    "backpropagation": "01",
    "chain rule": "01",
    "gradient descent": "01",
    "Xavier initialization": "01",
    "momentum": "0[1-9]",
    "TF-IDF": "02",
    "PPMI": "02",
    "SVD": "02",
    "cosine similarity": "02",
    "skip-gram": "03",
    "CBOW": "03",
    "negative sampling": "04",
    "hierarchical softmax": "04",
    "subsampling": "04",
    "n-gram": "05",
    "Kneser-Ney": "05",
    "perplexity": "05",
    "RNN": "05",
    "BPTT": "05",
    "truncated BPTT": "05",
    "vanishing gradients": "06",
    "gradient clipping": "0[56]",
    "LSTM": "06",
    "GRU": "06",
    "dropout": "06",
    "weight tying": "06",
    "teacher forcing": "07",
    "exposure bias": "07",
    "beam search": "07",
    "nucleus sampling": "07",
    "temperature": "07",
    "attention mechanism": "08",
    "masking": "08",
    "self-attention": "09",
    "multi-head attention": "09",
    "causal mask": "09",
    "positional encoding": "09",
    "residual connection": "09",
    "layer normalization": "09",
    "warm-up": "09",
    "warmup": "09",
    "label smoothing": "09|translation",
    "safetensors": "gpt2_files",
    "byte-pair encoding": "10",
    "bits per character": "10",
    "GPT": "10",
    "key-value cache": "10|09",
    "induction head": "10",
    "fine-tuning": "10",
    "ALiBi": "10",
    "AdamW": "1[01]",
    "RMSprop": "11",
    "He initialization": "11",
    "batch normalization": "11",
    "weight decay": "1[01]",
    "early stopping": "11",
    "learning rate schedule": "11",
    "cosine schedule": "11",
    "range test": "11",
    "successive halving": "11",
    "convolution": "12",
    "max pooling": "12",
    "im2col": "12",
    "stride": "12",
    "receptive field": "12",
    "data augmentation": "12",
    "GloVe": "13",
    "bootstrap": "13",
    "confidence interval": "13",
    "hubness": "13",
    "naive Bayes": "14",
    "TextCNN": "14",
    "named entity recognition": "14",
    "conditional random field": "14",
    "Viterbi": "14",
    "distant supervision": "14",
    "autoregression": "15",
    "data leakage": "15",
    "Lyapunov exponent": "15",
    "persistence": "15",
    "pinball loss": "15",
    "rolling origin": "15",
    "Neural Turing Machine": "16",
    "content addressing": "16",
    "associative recall": "16",
    "BLEU": "16|translation",
    "length penalty": "16",
    "image captioning": "16",
    "float16": "17",
    "bfloat16": "17",
    "loss scaling": "17",
    "quantization": "17",
    "roofline": "17",
    "data parallelism": "17",
    "all-reduce": "17",
    "local SGD": "17",
    "Amdahl's law": "17",
}


@pytest.fixture(scope="module")
def sections(browser, address):
    """A function that gives the sections for a query, best first."""
    page = browser.new_page()
    page.goto(f"{address}search.html")
    page.wait_for_function("document.readyState === 'complete'")
    wanted = (
        "({section, score}) => ({title: section.title, url: section.url, chapter: section.chapter, score})"
    )
    yield lambda query: page.evaluate(f"query => bookFind(query).slice(0, 8).map({wanted})", query)
    page.close()


@pytest.mark.parametrize("term", TERMS)
def test_a_standard_term_finds_its_section(term, sections):
    hits = sections(term)
    assert hits, f"{term!r} finds nothing"
    best = next(hit for hit in hits if hit["chapter"] != "Glossary")
    named = [f"{hit['title']} ({hit['url']}, {hit['score']})" for hit in hits[:4]]
    assert re.match(rf"chapters/(?:{TERMS[term]})", best["url"]), f"{term!r} finds first: {'; '.join(named)}"
    # By its title or by a term that it introduces, not by a word in passing; 60 says so, see search.js.
    assert best["score"] >= 60, f"{term!r} is in no title and in no bold term: {'; '.join(named)}"


@pytest.mark.parametrize("query", ["perplexity", "Perplexities", "PERPLEXITY"])
def test_other_forms_of_a_word_find_the_same(query, sections):
    assert sections(query)[0]["url"] == sections("perplexity")[0]["url"]


def test_a_hit_leads_to_its_section_and_shows_the_words(visit):
    page = visit("search", suffix=".html?q=perplexity").page
    item = page.locator("#search-results li", has=page.locator(".search-chapter")).first
    assert "perplexity" in item.inner_text().lower()
    link = item.locator("a")
    target = link.get_attribute("href")
    assert "#" in target
    link.click()
    page.wait_for_load_state("load")
    page.wait_for_function("CSS.highlights.has('searched')")
    assert page.evaluate("CSS.highlights.get('searched').size") > 0
    place = page.locator(f"[id='{target.split('#')[1]}']")
    page.wait_for_function(
        "place => Math.abs(place.getBoundingClientRect().top) < innerHeight / 2", arg=place.element_handle()
    )


def test_the_search_works_from_disk(visit):
    seen = visit("search", root=f"{SITE.as_uri()}/", suffix=".html?q=perplexity")
    assert seen.page.locator("#search-results mark").count() > 0
    assert seen.trouble == [] and seen.foreign == []


def test_the_icon_leaves_the_first_letter_free(visit):
    page = visit("search", suffix=".html?q=perplexity").page
    form = page.locator(".bd-article-container form.bd-search")
    icon = form.locator("i").bounding_box()
    field = form.locator("input")
    text = field.bounding_box()["x"] + float(
        field.evaluate("f => parseFloat(getComputedStyle(f).paddingLeft)")
    )
    assert icon["x"] + icon["width"] <= text
