"""One dialect: messages are sentences, and docstrings mark code in one way."""

import ast
import re

import pytest

from tests.helpers import ROOT

MODULES = sorted(path for room in ("common", "runs", "benchmarks") for path in (ROOT / room).rglob("*.py"))


def text_of(node):
    """What a constant or an f-string says, with ``{}`` in the place of a value; None of anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def faults(source):
    """A sentence for each place where a module leaves the dialect."""
    for number, line in enumerate(source.splitlines(), start=1):
        if re.match(r"\s*#.*-{3}", line) and not re.fullmatch(r"( {4})?# ---- \w.*[^-]", line):
            yield f"line {number}: a section begins with '# ---- ' and its name, and with no more dashes"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            error, said = ast.unparse(node.exc.func), text_of(node.exc.args[0])
            if said is None:
                continue
            if error == "KeyError":
                yield f"line {node.lineno}: a KeyError prints its sentence in quotation marks"
            # What ends in a value ends in a sentence that was made elsewhere, or in arrays that are shown.
            # What a private error says is put in the brackets of another message.
            if not error.startswith("_") and not said.endswith((".", ": {}", ":\n{}")):
                yield f"line {node.lineno}: the message ends without a full stop"
            if re.search(r"[.;:,]  ", said):
                yield f"line {node.lineno}: the message has two spaces after a stop"
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        if isinstance(node, documented) and (doc := ast.get_docstring(node)):
            name = getattr(node, "name", "the module")
            if "`" in re.sub(r">>> .*|``[^`]+``|``\\`code\\```", "", doc):
                yield f"{name}: a docstring marks code by two backquotes on either side"
            if re.search(r"[.?!]  +\S", doc):
                yield f"{name}: a docstring has one space after a stop"
            if re.match(r"Returns? ", doc):
                yield f"{name}: a docstring begins with what is returned, 'The ...'"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_keeps_to_the_dialect(path):
    assert list(faults(path.read_text(encoding="utf-8"))) == []


BAD = {
    "full stop": "raise ValueError(f'x is {x}; it should be 3')",
    "two spaces after a stop": "raise ValueError('x is 3.  It should be 4.')",
    "quotation marks": "raise KeyError('there is no x.')",
    "two backquotes": "def f():\n    '''The sum of `x`.'''",
    "one space": "'''One.  Two.'''",
    "what is returned": "class A:\n    def f(self):\n        '''Return the sum.'''",
    "no more dashes": "# ---- counting ------",
    "begins with '# ---- '": "# --- counting",
}


@pytest.mark.parametrize("said", BAD)
def test_what_leaves_the_dialect_is_found(said):
    (fault,) = faults(BAD[said])
    assert said in fault
