"""Make the project's own Python environment, `.venv`, or find in a moment that it is already right.

    python3 tools/environment.py book     what the book and JupyterLab need (requirements.txt)
    python3 tools/environment.py test     that, and what the tests need (tests/requirements.txt)
    python3 tools/environment.py bench    that, and what benchmarks compare with (benchmarks/requirements.txt)
    python3 tools/environment.py author   that, and what writes drafts and locks (tools/requirements.txt)

The Makefile runs this before everything else, with the Python of the system, so it uses the standard library
only.

What is installed comes from lock files, each file with its hash. A stamp inside `.venv` says which locks were
installed to the end: while it matches, nothing is done. A lock file beside `.venv` makes a second process
wait. An install that was interrupted leaves a mark, and the next run starts from an empty folder instead of
trusting what it finds.
"""

import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "book-stamp.json")
UNFINISHED = os.path.join(VENV, "book-unfinished")
NULL = subprocess.DEVNULL
WINDOWS = os.name == "nt"
PYTHON = os.path.join(VENV, "Scripts" if WINDOWS else "bin", "python.exe" if WINDOWS else "python")

# Each group with the file that it installs. The first two are locks with hashes; "bench" asks for exact
# versions only, because the build of PyTorch differs from machine to machine.
GROUPS = {
    "book": "requirements.txt",
    "test": os.path.join("tests", "requirements.txt"),
    "bench": os.path.join("benchmarks", "requirements.txt"),
    "author": os.path.join("tools", "requirements.txt"),
}
LOCKED = ("book", "test")
NEEDS = {"book": ["book"], "test": ["book", "test"], "bench": ["book", "test", "bench"]}
NEEDS["author"] = ["book", "test", "author"]


lock_number = None  # the open lock file, while this process holds it


class Failure(Exception):
    """Something that one sentence can explain to the person at the keyboard."""


def main(arguments):
    """Bring `.venv` to the wanted group; return the exit status."""
    if len(arguments) != 1 or arguments[0] not in GROUPS:
        print(__doc__)
        return 2
    use_a_python_that_is_new_enough()
    try:
        ensure(NEEDS[arguments[0]])
    except Failure as failure:
        print("\n" + str(failure), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted: the next run begins the installation again.", file=sys.stderr)
        return 130
    return 0


def use_a_python_that_is_new_enough():
    """Go on under python3.13, 3.12 or 3.11 where the Python that was called is older than 3.11."""
    if sys.version_info >= (3, 11):
        return
    for name in ("python3.13", "python3.12", "python3.11"):
        found = shutil.which(name)
        # A launcher can exist for a version that is not installed, so ask it.
        if found and subprocess.call([found, "-c", ""], stdout=NULL, stderr=NULL) == 0:
            os.execv(found, [found, "-I", os.path.abspath(__file__)] + sys.argv[1:])
    version = ".".join(map(str, sys.version_info[:3]))
    print(
        "The book needs Python 3.11 or newer, and %s is %s: install a newer one, or name it, as in"
        "  make PYTHON=/path/to/python3.12 book" % (sys.executable, version),
        file=sys.stderr,
    )
    sys.exit(1)


def ensure(groups):
    """Install the groups that are missing, from an empty folder if what is there cannot be trusted."""
    wanted = {group: digest(GROUPS[group]) for group in groups}
    if is_ready(wanted):
        return
    with only_one_process(
        os.path.join(ROOT, ".venv.lock"), "Another process is setting up .venv; waiting for it."
    ):
        if is_ready(wanted):  # the process we waited for has done it
            return
        stamp = read_stamp()
        stale = any(digest(GROUPS[group], "") != value for group, value in stamp.get("groups", {}).items())
        if stamp.get("place") != place() or stale or os.path.exists(UNFINISHED) or not runs(PYTHON):
            make_empty_environment()
            stamp = {"place": place(), "groups": {}}
        missing = [group for group in groups if group not in stamp["groups"]]
        # A lock holds all of the locks before it, so one installation does for both.
        if "test" in missing and "book" in missing:
            missing.remove("book")
        start = time.time()
        touch(UNFINISHED)
        for group in missing:
            install(group)
        install_project()
        prepare()
        stamp["groups"].update(wanted)
        write(STAMP, json.dumps(stamp, indent=1, sort_keys=True))
        os.remove(UNFINISHED)
        print(".venv is ready (%d s)" % (time.time() - start), flush=True)


def place():
    """What an environment is bound to: its folder and the Python it was made with."""
    return [ROOT, "%d.%d" % sys.version_info[:2], digest(os.path.join("tools", "environment.py"))]


def digest(name, default=None):
    """The hash of a file of the project."""
    try:
        with open(os.path.join(ROOT, name), "rb") as file:
            return hashlib.sha256(file.read().replace(b"\r\n", b"\n")).hexdigest()
    except FileNotFoundError:
        if default is not None:
            return default
        raise Failure("%s is missing: this checkout is not complete." % name) from None


def is_ready(wanted):
    """Whether all of `wanted` was installed to the end, here and with this Python."""
    if os.path.exists(UNFINISHED) or not os.path.exists(PYTHON):
        return False
    stamp = read_stamp()
    done = stamp.get("groups", {})
    return stamp.get("place") == place() and all(done.get(group) == value for group, value in wanted.items())


def read_stamp():
    """The stamp's contents; empty when there is none or it was damaged."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            stamp = json.load(file)
        return stamp if isinstance(stamp, dict) else {}
    except (OSError, ValueError):
        return {}


@contextmanager
def only_one_process(path, notice):
    """Hold a lock that the operating system gives back by itself when this process ends, however it ends."""
    try:
        file = open(path, "a+")  # noqa: SIM115
    except OSError as error:
        raise Failure("Cannot write %s: %s." % (path, error.strerror)) from None
    with file:
        waiting = False
        while not try_lock(file):
            if not waiting:
                print(notice, flush=True)
                waiting = True
            time.sleep(0.2)
        # What this process starts shares the lock: when it is killed, and the pip that it started lives on,
        # the next process waits for that pip too.
        global lock_number
        lock_number = file.fileno()
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
        return True
    except OSError:
        return False


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
    if os.path.lexists(VENV):
        ours = os.path.exists(STAMP) or os.path.exists(UNFINISHED) or not runs(PYTHON)
        aside = tempfile.mkdtemp(prefix=".venv-old-" if ours else ".venv-before-", dir=ROOT)
        os.rename(VENV, os.path.join(aside, "venv"))
        if not ours:
            print(
                "There was a .venv that this project did not make; it is now in %s." % os.path.basename(aside)
            )
    for old in glob.glob(os.path.join(glob.escape(ROOT), ".venv-old-*")):
        shutil.rmtree(old, ignore_errors=True)
    print("Making .venv with Python %d.%d.%d" % sys.version_info[:3], flush=True)
    os.mkdir(VENV)
    touch(UNFINISHED)
    run([sys.executable, "-I", "-m", "venv", VENV], "python -m venv")


def runs(python):
    """Whether this Python starts and has pip."""
    try:
        return subprocess.call([python, "-I", "-c", "import pip"], stdin=NULL, stdout=NULL, stderr=NULL) == 0
    except OSError:
        return False


def install(group):
    """Install one group's file. Build tools come from the lock too: nothing is fetched that no lock names."""
    name = GROUPS[group]
    path = os.path.join(ROOT, name)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    count = len(re.findall(r"^[A-Za-z0-9].*==", text, flags=re.MULTILINE))
    print("Installing %s: %d packages" % (name.replace(os.sep, "/"), count), flush=True)
    if group in LOCKED:
        # Some packages come as source only. They are built with the setuptools of the lock, which goes first.
        first = re.search(r"^setuptools==.*(?:\n[ \t]+--hash=.*)*", text, flags=re.MULTILINE)
        build_tool = os.path.join(VENV, "setuptools.txt")
        write(build_tool, first.group(0) + "\n")
        pip("install", "--require-hashes", "--no-deps", "-r", build_tool)
        pip("install", "--require-hashes", "--no-build-isolation", "--use-pep517", "-r", path)
    else:
        pip("install", "-r", path)


def install_project():
    """Install `common` as a link to this folder, so that every notebook sees a change in it at once."""
    pip("install", "--no-build-isolation", "--no-deps", "--no-index", "-e", ROOT)


def prepare():
    """Do once what programs do at their first start, and what would show up in somebody's output."""
    # matplotlib looks for fonts, and says so on stderr when that takes long, in the middle of a notebook.
    environment = clean_environment()
    environment["MPLCONFIGDIR"] = os.path.join(VENV, "matplotlib")
    run([PYTHON, "-c", "import matplotlib.font_manager"], "matplotlib", environment)
    # Kernels say at every start that they talk over a local TCP port; only errors are worth a line.
    folder = os.path.join(VENV, "etc", "ipython")
    os.makedirs(folder, exist_ok=True)
    settings = "c = get_config()\nc.IPKernelApp.log_level = 40\n"
    write(os.path.join(folder, "ipython_kernel_config.py"), settings)


def pip(*arguments):
    """Run the environment's own pip; quiet, and never into another place."""
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments, "--quiet"]
    run(command, "pip " + arguments[0])


def clean_environment():
    """The environment variables without those that would lead Python or pip to other folders."""
    leads_astray = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")
    environment = {name: value for name, value in os.environ.items() if name not in leads_astray}
    environment.update(PYTHONNOUSERSITE="1", PIP_USER="0")
    return environment


def run(command, name, environment=None):
    """Run a command; when it fails, show the end of what it said and raise a Failure with one sentence."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment or clean_environment(),
        cwd=ROOT,
        pass_fds=() if WINDOWS or lock_number is None else (lock_number,),
    )
    if done.returncode == 0:
        return
    text = done.stdout.decode("utf-8", "replace").strip()
    print("\n".join(text.splitlines()[-12:]), file=sys.stderr)
    raise Failure(explain(text, name, done.returncode))


def explain(text, name, status):
    """One sentence that says why a command failed and what to do."""
    again = "then run the same command again."
    if re.search(r"No space left on device|Errno 28", text):
        return "The disk is full: the installation needs about 1 GB; make room, " + again
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in text:
        return "A package that arrived is not the one in the lock (its hash differs): it was not installed."
    offline = (
        "ConnectionError|NewConnectionError|resolution|Max retries|timed out|Connection refused|ProxyError"
        "|Connection broken|No matching distribution|Network is unreachable|HTTPError"
    )
    if re.search(offline, text):
        return (
            "The packages could not be fetched: check the network, or pip's index and proxy settings, "
            + again
        )
    return "%s failed with status %d (its last lines are above)." % (name, status)


def write(path, text):
    """Write a small file in one step."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def touch(path):
    """Make an empty file."""
    with open(path, "w", encoding="utf-8"):
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
