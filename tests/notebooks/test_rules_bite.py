"""Each rule notices what it is there for: a notebook that keeps all rules, spoilt in one place at a time."""

import nbformat.v4 as v4
import notebooks
import pytest

from tests.notebooks import rules

NAME = "01_neural_network_review"
PICTURE = "data:image/png;base64,iVBORw0KGgo="


def code(source, *outputs, tags=()):
    cell = v4.new_code_cell(source, outputs=list(outputs))
    cell.metadata = notebooks.nbformat.from_dict({"tags": list(tags)} if tags else {})
    return cell


def text(words):
    return v4.new_output("stream", name="stdout", text=words)


def html(words):
    return v4.new_output("display_data", data={"text/html": words, "text/plain": "<Shown>"})


def exercise(number, solution="print(1)"):
    return [
        v4.new_markdown_cell(
            f"```{{exercise-start}}\n:label: ex-{number}\n```\nWhy?\n```{{exercise-end}}\n```"
        ),
        v4.new_markdown_cell(f"```{{solution-start}} ex-{number}\n:class: dropdown\n```"),
        code(solution, text("1\n")),
        v4.new_markdown_cell("```{solution-end}\n```"),
    ]


def good_cells():
    cells = [
        v4.new_markdown_cell("(ch-x)=\n# A title\n\nOne sentence."),
        v4.new_markdown_cell(
            "**Learning goals.** To see. **What it needs:** school. 20 minutes to read, 30 to run."
        ),
        code("import numpy as np\nfrom common.book import measured"),
        code("measured('accuracy', 0.987654321012, 0.9, 1)", text("accuracy 0.9877 (expected 0.9 to 1)\n")),
        code("show(fig, alt='A line')", html(f'<figure><img alt="A line" src="{PICTURE}"></figure>')),
        code(
            "1 / 0",
            v4.new_output("error", ename="ZeroDivisionError", evalue="by zero"),
            tags=["raises-exception"],
        ),
        v4.new_markdown_cell("## Where it goes wrong\n![A line](line.png)"),
        v4.new_markdown_cell("## Summary"),
        v4.new_markdown_cell("## Exercises"),
    ]
    for number in range(6):
        cells += exercise(number)
    return cells


def made(cells):
    count = 0
    for cell in cells:
        if cell.cell_type == "code" and cell.execution_count is None:
            count += 1
            cell.execution_count = count
    return notebooks.normalized(v4.new_notebook(cells=cells))


def broken(rule, cells, name=NAME):
    return list(rules.RULES[rule](made(cells), name))


@pytest.mark.parametrize("rule", rules.RULES)
def test_a_good_notebook_breaks_no_rule(rule):
    assert broken(rule, good_cells()) == []


def swapped(cells):
    first, second = (cell for cell in cells if cell.source in ("1 / 0", "show(fig, alt='A line')"))
    first.execution_count, second.execution_count = 4, 3
    cells[2].execution_count, cells[3].execution_count = 1, 2
    return cells


def without(words):
    return lambda cells: [cell for cell in cells if words not in cell.source]


def added(*more):
    return lambda cells: [*cells[:4], *more, *cells[4:]]


def replaced(old, new):
    def change(cells):
        assert any(old in cell.source for cell in cells)
        for cell in cells:
            cell.source = cell.source.replace(old, new)
        return cells

    return change


LAX = [code(f"{i}", text("1\n"), tags=["nbval-ignore-output"]) for i in range(9)]
ONLY_PNG = v4.new_output("display_data", data={"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"})
SVG = v4.new_output("display_data", data={"image/svg+xml": "<svg></svg>"})
STDERR = v4.new_output("stream", name="stderr", text="a warning\n")
ERROR = v4.new_output("error", ename="ValueError", evalue="bad", traceback=["at /home/somebody/x.py"])

TREEBANK = "def treebank():\n    return load_ptb()\n\n\nload = scale(quick=load_reviews, full=treebank)"

BAD = [
    ("run_in_order", swapped),
    ("run_in_order", added(code("  "))),
    ("no_semicolon_at_the_end", added(code("plt.plot(x);"))),
    ("no_semicolon_at_the_end", added(code("plt.plot(x);  # hides the list"))),
    ("figures_are_not_folded_away", added(code("show(t)", html("<table></table>"), tags=["hide-cell"]))),
    ("pictures_have_a_text_alternative", added(v4.new_markdown_cell("![](a.png)"))),
    ("pictures_have_a_text_alternative", added(v4.new_markdown_cell('<img src="a.png">'))),
    (
        "pictures_have_a_text_alternative",
        added(v4.new_markdown_cell("```{figure} a.png\n:name: a\nCaption\n```")),
    ),
    ("pictures_have_a_text_alternative", added(code("show(fig)", html(f'<img src="{PICTURE}">')))),
    ("pictures_have_a_text_alternative", added(code("show(fig)", html(f'<img alt=" " src="{PICTURE}">')))),
    ("pictures_have_a_text_alternative", added(code("show(fig)", html('<svg aria-label="x"></svg>')))),
    ("pictures_have_a_text_alternative", added(code("show(fig)", html('<svg role="img"></svg>')))),
    ("pictures_have_a_text_alternative", added(code("plt.show()", ONLY_PNG))),
    ("pictures_have_a_text_alternative", added(code("plt.show()", SVG))),
    ("parts_of_a_chapter", without("Learning goals")),
    ("parts_of_a_chapter", without("goes wrong")),
    ("parts_of_a_chapter", without("Summary")),
    ("parts_of_a_chapter", without("## Exercises")),
    ("parts_of_a_chapter", replaced("What it needs", "Oh")),
    ("parts_of_a_chapter", replaced("20 minutes to read, 30 to run", "Long")),
    ("parts_of_a_chapter", replaced("# A title", "A title")),
    ("parts_of_a_chapter", added(v4.new_markdown_cell("# Another title"))),
    ("parts_of_a_chapter", lambda cells: [cells[0], cells[7], *cells[1:7], *cells[8:]]),
    ("exercises_are_solved", without("ex-5")),
    ("exercises_are_solved", lambda cells: cells + [cell for n in range(6, 11) for cell in exercise(n)]),
    ("exercises_are_solved", lambda cells: cells + exercise(0)),
    ("exercises_are_solved", without("{solution-start} ex-3")),
    ("exercises_are_solved", without("print(1)")),
    ("exercises_are_solved", replaced(":class: dropdown", "")),
    ("exercises_are_solved", replaced(":label: ex-2", "")),
    ("exercises_are_solved", lambda cells: cells[:-4] + exercise(9)[:1]),
    ("outputs_are_compared", added(*LAX)),
    ("outputs_are_compared", added(*[code("plt.show()", ONLY_PNG) for _ in range(9)])),
    ("outputs_are_compared", added(*[code("# NBVAL_IGNORE_OUTPUT\n1", text("1\n")) for _ in range(9)])),
    ("outputs_are_compared", added(code("1", text("1\n"), tags=["nbval-skip"]))),
    ("imports_are_declared", added(code("import torch"))),
    ("imports_are_declared", added(code("if True:\n    from sklearn.svm import SVC"))),
    ("imports_are_declared", added(code("%pip install torch"))),
    ("imports_are_declared", added(code("!ls"))),
    ("cells_fit_on_a_screen", added(code("x = 1\n" * 41))),
    ("cells_fit_on_a_screen", added(code("x = 1\n" * 26), code("x = 1\n" * 27))),
    ("no_noise_and_no_errors", added(code("warn()", STDERR))),
    ("no_noise_and_no_errors", added(code("f()", ERROR))),
    ("no_noise_and_no_errors", added(code("f()", tags=["raises-exception"]))),
    ("numbers_can_be_reproduced", added(code("loss", text("0.6931471805599\n")))),
    ("numbers_can_be_reproduced", added(code("loss", html("<td>0.69314718</td>")))),
    ("numbers_can_be_reproduced", added(code("run()", text("took 1.32 s\n")))),
    ("numbers_can_be_reproduced", added(code("net", text("<Net object at 0x7f3a5c0b1d90>\n")))),
    ("randomness_is_seeded", added(code("np.random.seed(1)"))),
    ("randomness_is_seeded", added(code("x = np.random.randn(3)"))),
    ("randomness_is_seeded", added(code("rng = np.random.default_rng()"))),
    ("randomness_is_seeded", added(code("random.shuffle(x)"))),
    ("nothing_of_this_machine", added(code("p", text("/home/somebody/book/x.npz\n")))),
    ("nothing_of_this_machine", added(code("open('/tmp/x')"))),
    ("nothing_of_this_machine", added(code("f()", ERROR, tags=["raises-exception"]))),
    ("nothing_of_the_working_directory", added(code("p = Path('..') / 'data'"))),
    ("nothing_of_the_working_directory", added(code("open('notes')"))),
    ("nothing_of_the_working_directory", added(code("here = os.getcwd()"))),
    ("nothing_of_the_working_directory", added(code("v = np.load('../data/v.npz')"))),
    ("nothing_of_the_working_directory", added(code("fig.savefig('figure.png')"))),
    ("quick_cells_need_no_download", added(code("days = load_dates()"))),
    ("quick_cells_need_no_download", added(code("words = datasets.load_ptb('train')"))),
    ("quick_cells_need_no_download", added(code("words = scale(quick=[], full=load_ptb())"))),
    ("quick_cells_need_no_download", added(code("def f():\n    return load_ptb()"))),
    ("quick_cells_need_no_download", added(code(TREEBANK), code("load()"), code("treebank()"))),
    ("quick_cells_need_no_download", added(code("if scale(quick=True, full=False):\n    load_ptb()"))),
    ("outputs_ask_nobody", added(code("x", html('<script src="https://example.org/x.js"></script>')))),
    ("outputs_ask_nobody", added(code("x", html('<link rel="stylesheet" href="//example.org/x.css">')))),
    ("nothing_left_to_do", added(v4.new_markdown_cell("TODO: explain"))),
    ("small_enough", added(code("x", html("x" * 4_100_000)))),
]


@pytest.mark.parametrize("rule, spoil", BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_a_bad_notebook_is_noticed(rule, spoil):
    assert broken(rule, spoil(good_cells()))


def test_the_normal_form_is_noticed():
    notebook = made(good_cells())
    notebook.metadata["widgets"] = {"state": {}}
    assert list(rules.in_normal_form(notebook, NAME))


def test_every_rule_has_a_bad_notebook():
    assert {rule for rule, _ in BAD} | {"in_normal_form"} == set(rules.RULES)


def test_an_appendix_needs_no_exercises():
    cells = [v4.new_markdown_cell("# Layer catalogue"), code("1", text("1\n"))]
    for rule in rules.RULES:
        assert broken(rule, cells, "layer_catalogue") == []
    assert broken("parts_of_a_chapter", cells, NAME)


@pytest.mark.parametrize(
    "cell",
    [
        code("epochs", text("5 epochs, 300 s, shapes (3, 4), 0.125\n")),
        code("0.1 + 0.2", text("0.30000000000000004\n"), tags=["exact"]),
        code("t", html('<td><span class="measured">1.23 s</span></td>')),
        code("speed", text("speed 1234.5 words/s (expected 100 to 1e+04 words/s)\n")),
        code(
            "a", html("<figure><svg aria-hidden='true'></svg><svg role='img'><title>A</title></svg></figure>")
        ),
        code("b = 'a;b'"),
        code("rng = np.random.default_rng(1984)\nx = rng.random(3)"),
        code("np.load(folder / 'vectors.npz')\nprint('..')"),
        code(TREEBANK),
        code("train, valid, test = load_mnist()"),
        code("load = scale(quick=load_reviews, full=load_ptb)"),
        code("if scale(quick=True, full=False):\n    load_reviews()\nelse:\n    load_ptb()"),
        code("words = load_ptb() if scale(quick=False, full=True) else load_reviews().tokens"),
        code("url", text("see https://example.org/tmp/x and a/tmp/b\n")),
    ],
)
def test_what_is_fine_is_left_alone(cell):
    for rule in rules.RULES:
        assert broken(rule, added(cell)(good_cells())) == [], rule
