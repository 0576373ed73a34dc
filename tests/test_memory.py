"""Memory and file limits of the process, also on systems without them."""

import subprocess
import sys

import pytest

from app.server import memory


def test_the_limit_on_open_files_is_raised_to_the_hard_limit():
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        memory.allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_the_server_works_without_the_resource_module_and_glibc():
    code = (
        "import sys; sys.modules['resource'] = None\n"
        "from app.server import memory, process\n"
        "import ctypes; ctypes.CDLL = lambda _: object()\n"
        "memory.allow_many_connections(); memory.tune()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""
