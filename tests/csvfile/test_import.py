import subprocess
import sys

SCRIPT = """
import sys, twolane.csvfile
heavy = sorted({"pydantic", "pydantic_core", "fastapi"} & set(sys.modules))
assert not heavy, heavy
"""


def test_pydantic_loads_with_the_first_file_not_with_the_import():
    subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT], check=True, timeout=60)
