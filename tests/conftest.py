"""What all tests share: the project on the path, no network, the same examples at every run."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tools"))

os.environ.setdefault("BOOK_PROGRESS", "0")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ["BOOK_STRICT"] = "1"  # a measured number outside its band is an error
# A test sees the settings that it makes, not those of the person who runs it.
for _name in ("BOOK_SCALE", "BOOK_DEVICE"):
    os.environ.pop(_name, None)

# A shell starts what runs in the background deaf to Ctrl-C, and programs that a test starts would be so, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Derandomized: a failure today is a failure tomorrow. No deadline: a busy machine is not a bug.
settings.register_profile(
    "book", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("book")


def pytest_configure(config):
    config.addinivalue_line("markers", "mirror: needs the files that only a mirror or a download has")


def pytest_collection_modifyitems(items):
    """Tests of the classic texts need BOOK_DATA_MIRROR; `make test-mirror` runs them and nothing else."""
    if not os.environ.get("BOOK_DATA_MIRROR", "").strip():
        reason = "needs the classic texts: name their folder in BOOK_DATA_MIRROR (make test-mirror)"
        for item in items:
            if "mirror" in item.keywords:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Refuse connections that leave this machine."""
    connect = socket.socket.connect

    def guarded(self, address):
        host = address[0] if isinstance(address, tuple) else "local"
        if self.family in (socket.AF_INET, socket.AF_INET6) and host not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"a test wanted to connect to {host}; tests use no network")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
