"""Pictures into words, with attention over the map and without it: the long runs of chapter 16.

    python -m runs.captioning choose attention mean attention-nowhere mean-nowhere
    python -m runs.captioning attention mean attention-nowhere mean-nowhere 1 2 3

The words are models. ``attention`` looks at the places of the map before each word; ``mean`` is shown what
became of the mean of the map instead, and has as many weights. Places are told their row and column, except
for those that are called ``nowhere``. ``choose`` trains with each learning rate, for a part of the passes,
and keeps the rate whose captions hold most often on scenes to choose by (the lowest loss, if they hold
equally often). With seeds behind them, models are trained at that rate and measured on new scenes:

* how many captions hold, of scenes with one, two and three things;
* what is wrong with the others: the things (other kinds, or a thing too few or too many) or the relations;
* how many captions name a colour and shape that were never together in training, in scenes with one such
  thing, beside those that name a pair that was;
* how often the largest weight lies in the thing that is named, while it is named and just before; and how
  often it would, if it lay in a thing of the scene, no matter which.

All add what they measured to data/results/captioning.json. A run that was stopped, in whatever way, goes on
from its last checkpoint when the same command is given again. Checkpoints are in data/cache/captioning, and
so are the weights at the end of each run. A pass takes some seven seconds of a core.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from common.batches import Shuffled
from common.book.results import record_run, recorded
from common.datasets import Scenes, draw_scenes
from common.datasets.images import KINDS, RELATIONS, holds, named
from common.layers import count_parameters
from common.models.captioning import (
    Said,
    captioner,
    describe,
    encode_captions,
    pointing,
    pointing_by_lot,
    words_of,
)
from common.models.seq2seq import Seq2Seq
from common.optimizers import Adam
from common.schedules import cosine
from common.text.vocabulary import Vocabulary
from common.training import Trainer
from common.weights import save_weights
from runs import after_each_pass, leave_if_stopped

RESULTS = "captioning"
KEPT = Path(__file__).resolve().parent.parent / "data" / "cache" / "captioning"
MODELS = {
    "attention": {"attention": True, "where": True},
    "mean": {"attention": False, "where": True},
    "attention-nowhere": {"attention": True, "where": False},
    "mean-nowhere": {"attention": False, "where": False},
}
SIZES = {"D": 16, "H": 48, "filters": (16, 32)}
PLACES, SEES = 64, 4  # of the map; pixels that a place sees to each side of its centre
TRAINING = {"batch_size": 32, "max_grad_norm": 5.0}
SCENES, TESTED = 12_000, 500
PASSES, CHOOSE_PASSES, CHOOSE_SEED = 10, 2, 101
RATES = (0.003, 0.01, 0.03, 0.1)
HELD_OUT = (("red", "square"), ("blue", "cross"))
"""What is never drawn for training: each colour and each shape is there, but not together."""
CONTROL = (("red", "cross"), ("blue", "square"))
"""The same colours and shapes, together in training."""
SEEN = tuple(kind for kind in KINDS if kind not in HELD_OUT)


@cache
def scenes() -> tuple[Scenes, Scenes, Scenes]:
    """Scenes to learn from, to choose by and to test on, without what is held out."""
    drawn = [
        draw_scenes(np.random.default_rng([16, i]), N, kinds=SEEN)
        for i, N in enumerate((SCENES, TESTED, TESTED))
    ]
    return drawn[0], drawn[1], drawn[2]


def judge(said: Said, drawn: Scenes) -> dict[str, Any]:
    """How many captions hold, and what is wrong with the others."""
    right = np.array([holds(caption, scene) for caption, scene in zip(said.captions, drawn.things)])
    all_named = np.array([names(caption, scene) for caption, scene in zip(said.captions, drawn.things)])
    number = np.array([len(scene) for scene in drawn.things])
    sizes = sorted(set(number.tolist()))
    return {
        "holds": float(right.mean()),
        "holds_by_number": {str(n): float(right[number == n].mean()) for n in sizes},
        "things_by_number": {str(n): float(all_named[number == n].mean()) for n in sizes},
        "scenes_by_number": {str(n): int((number == n).sum()) for n in sizes},
    }


def names(caption: str, scene: Sequence[Any]) -> bool:
    """Whether a caption names all things of a scene and no other, whatever it says of where they lie."""
    for relation in RELATIONS:
        caption = caption.replace(f" and {relation} ", " and ").replace(f" {relation} ", " and ")
    return sorted(caption.split(" and ")) == sorted(map(str, scene))


def look(said: Said, drawn: Scenes) -> dict[str, Any]:
    """How often the model looks at the thing that it names: at its colour and its shape, at the *a* before
    them, and, of those that are not named first, at the first word of the relation before that.

    The thing's places are those that it covers, and, for ``sees``, all that see some of it. ``any_thing``
    is how often a model would hit that looks at a place of some thing of the scene, no matter which."""
    if said.weights is None:
        return {}
    marks: dict[str, list[list[tuple[int, np.ndarray]]]] = {}
    for caption, scene in zip(said.captions, drawn.things):
        for name in ("relation", "a", "colour", "shape"):
            marks.setdefault(name, []).append([])
        colours, words = named(caption, scene)[::2], caption.split()
        for i, thing in colours:
            relation = i - 3 if words[i - 2] == "of" else i - 2
            for name, word in (("relation", relation), ("a", i - 1), ("colour", i), ("shape", i + 1)):
                if word >= 0:
                    marks[name][-1].append((word, thing.place()))
    things = [[thing.place() for thing in scene] for scene in drawn.things]
    found: dict[str, Any] = {}
    for name, all in marks.items():
        if any(all):
            found[name] = pointing(said.weights, all)._asdict()
            found[name]["any_thing"] = pointing_by_lot(things, all, PLACES)
            found[name]["sees"] = pointing(said.weights, all, SEES)._asdict()
            found[name]["sees"]["any_thing"] = pointing_by_lot(things, all, PLACES, SEES)
    return found


def of_pairs(model: Seq2Seq, vocabulary: Vocabulary, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Scenes with one of these pairs each: how many captions name it; of scenes with nothing else, how many
    have the right colour, and the right shape."""
    drawn = draw_scenes(np.random.default_rng([16, 3]), TESTED, kinds=SEEN, including=pairs)
    said = describe(model, drawn.planes(), vocabulary)
    there = [next(thing for thing in scene if thing.kind in pairs) for scene in drawn.things]
    named_it = [" ".join(thing.kind) in caption for thing, caption in zip(there, said.captions)]
    alone = [
        (thing, caption.split())
        for thing, caption, scene in zip(there, said.captions, drawn.things)
        if len(scene) == 1
    ]
    return judge(said, drawn) | {
        "named": float(np.mean(named_it)),
        "alone": len(alone),
        "colour_alone": float(np.mean([thing.color in words for thing, words in alone])),
        "shape_alone": float(np.mean([thing.shape in words for thing, words in alone])),
        "said_alone": Counter(" ".join(words) for _, words in alone).most_common(6),
    }


def train(name: str, lr: float, passes: int, seed: int) -> tuple[Trainer, Vocabulary]:
    """Train, or go on with it."""
    rng, drawn = np.random.default_rng(seed), scenes()[0]
    vocabulary = words_of(drawn.captions)
    model = captioner(3, len(vocabulary), rng=rng, **SIZES, **MODELS[name])
    batches = Shuffled(
        drawn.planes(), encode_captions(drawn.captions, vocabulary), int(TRAINING["batch_size"])
    )
    steps = passes * len(batches)
    schedule = cosine(lr, steps, rise=min(len(batches), steps // 2))
    trainer = Trainer(model, Adam(lr), rng, TRAINING["max_grad_norm"], schedule)
    KEPT.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-{lr}-{passes}-{seed}"
    tell = after_each_pass(f"{name}, rate {lr}, seed {seed}")
    trainer.fit(batches, passes, KEPT / f"{stem}.checkpoint.npz", checkpoint_every=50, on_epoch=tell)
    leave_if_stopped(trainer, passes)  # the same command goes on
    save_weights(KEPT / f"{stem}.npz", model, vocabulary=vocabulary)
    return trainer, vocabulary


def choose(name: str) -> None:
    """Try each learning rate, and keep the best."""
    tried = {}
    for lr in RATES:
        trainer, vocabulary = train(name, lr, CHOOSE_PASSES, CHOOSE_SEED)
        judged = judge(describe(trainer.model, scenes()[1].planes(), vocabulary), scenes()[1])
        tried[lr] = judged["holds"], -trainer.epoch_losses[-1]
    best = max(RATES, key=lambda lr: tried[lr])
    result = {
        "lr": best,
        "passes": CHOOSE_PASSES,
        "holds": {str(lr): share for lr, (share, _) in tried.items()},
        "train_loss": {str(lr): -loss for lr, (_, loss) in tried.items()},
    }
    command = f"python -m runs.captioning choose {name}"
    record_run(RESULTS, "choose", name, result=result, seed=CHOOSE_SEED, command=command)
    print(f"{name}: {result['holds']}", flush=True)


def test(name: str, seeds: Sequence[int]) -> None:
    """Train with each seed at the rate that was chosen, and measure on new scenes."""
    try:
        lr = recorded(RESULTS)["runs"]["choose"][name]["lr"]
    except (FileNotFoundError, KeyError):
        sys.exit(f"no learning rate was chosen; python -m runs.captioning choose {name} comes first.")
    for seed in seeds:
        trainer, vocabulary = train(name, lr, PASSES, seed)
        drawn = scenes()[2]
        said = describe(trainer.model, drawn.planes(), vocabulary)
        result = judge(said, drawn) | {
            "pointing": look(said, drawn),
            "held_out": of_pairs(trainer.model, vocabulary, HELD_OUT),
            "control": of_pairs(trainer.model, vocabulary, CONTROL),
            "lr": lr,
            "passes": PASSES,
            "parameters": count_parameters(trainer.model),
            "train_loss": trainer.epoch_losses,
            "settings": MODELS[name] | SIZES | TRAINING | {"scenes": SCENES, "tested": TESTED},
            "pairs": {"held_out": HELD_OUT, "control": CONTROL},
            "seconds": trainer.notes["seconds"],  # of one core
        }
        command = f"python -m runs.captioning {name} {seed}"
        record_run(RESULTS, name, str(seed), result=result, seed=seed, command=command)
        print(f"{name}, seed {seed}: {result['holds']:.3f} of the captions hold", flush=True)


def main() -> None:
    words = [argument for argument in sys.argv[1:] if not argument.isdecimal()]
    seeds = [int(argument) for argument in sys.argv[1:] if argument.isdecimal()]
    choosing = words[:1] == ["choose"]
    models = words[choosing:]
    if not models or set(models) - set(MODELS):
        sys.exit(
            f"the words are {' '.join(words) or 'missing'}; they should be models ({', '.join(MODELS)}), "
            "with choose before them or seeds behind."
        )
    if choosing == bool(seeds):
        sys.exit("seeds should be given for a test, as in: attention 1 2 3, and none after choose.")
    for model in models:
        if choosing:
            choose(model)
        else:
            test(model, seeds)


if __name__ == "__main__":
    main()
