"""Runs cases of the Autobahn TestSuite against a server, by kosoku, which drives the suite's own
case files on Python 3.

Usage: ws_cases URL CASE...      (1.1.1, or 9.* for all of a group)
Prints {"case", "behavior", "close"} a line for each case: OK, NON-STRICT, INFORMATIONAL, or what
else the suite says.
Exit: 0 when all ran, whatever they said, 2 wrong usage.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

if len(sys.argv) < 3:
    sys.exit(2)
url, cases = sys.argv[1], sys.argv[2:]
kosoku = pathlib.Path(sys.executable).with_name("kosoku")
with tempfile.TemporaryDirectory() as folder:
    chosen = [word for case in cases for word in ("--include", case)]
    ran = subprocess.run([kosoku, url, *chosen, "--outdir", folder, "--parallelism", "4"],
                         capture_output=True, text=True)
    index = pathlib.Path(folder) / "index.json"
    if not index.exists():
        sys.exit(ran.stdout + ran.stderr)
    for agent in json.loads(index.read_text()).values():
        for case, found in agent.items():
            said = {"case": case, "behavior": found["behavior"], "close": found["behaviorClose"]}
            print(json.dumps(said))
