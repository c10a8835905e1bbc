"""Holds what a piece of work costs against bench/gate.txt: `make bench-gate`.

Two things that a busy machine does not blur: instructions, which callgrind counts in the node's
turns in a simulated world (`bench/gate/`), and system calls, which strace counts at the real
program. Fails when one grew by more than its tolerance; says so when one shrank by as much, so that
the table is renewed (RENEW=1) and what was gained is held.
"""

import argparse
import concurrent.futures
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

import calls
from harness import Broken

TABLE = pathlib.Path(__file__).with_name("gate.txt")
HEAD = """\
# What a piece of work costs. Made by `make bench-gate RENEW=1`; see bench/README.md.
"""
INSTRUCTIONS = "instructions"
CALLS = "calls"
# Growth that is an error: a ratio, and what is nothing to speak of whatever the ratio. How many
# pieces of work share a wake-up or a write depends a little on the machine.
TOLERANCES = {INSTRUCTIONS: (1.03, 0), CALLS: (1.1, 0.5)}


def memory_folder():
    """Where files are quickest: a sync there is no wait, and no instruction of ours."""
    shared = pathlib.Path("/dev/shm")
    return tempfile.mkdtemp(prefix="gate-", dir=shared if shared.is_dir() else None)


def instructions(program, case):
    """Of one piece of work in the turns of the node under test."""
    folder = memory_folder()
    command = [
        "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no",
        "--toggle-collect=*::measured_*", program, case, folder]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    finally:
        shutil.rmtree(folder)
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not counted:
        raise Broken(f"{case}: {done.stderr.strip()}")
    return int(counted[1]) / int(done.stdout)


def can_count():
    """Valgrind shows programs a Haswell where the machine has AVX2, else something older: then
    the hashes and ciphers take other ways, and the counts are not to be compared."""
    cpu = pathlib.Path("/proc/cpuinfo").read_text()
    return platform.machine() == "x86_64" and re.search(r"^flags.*\bavx2\b", cpu, re.MULTILINE)


def count_all(options):
    """By (kind, case): the figure, and of what it is made up."""
    found = {}
    if can_count():
        program = options.target / "release/bellwether-gate"
        cases = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for case, count in zip(cases, pool.map(lambda c: instructions(program, c), cases)):
                found[INSTRUCTIONS, case] = (count, "")
    else:
        print("no AVX2 here: instructions are not comparable, only system calls are counted")
    for case, per_call in calls.count_all(options.target).items():
        kinds = sorted(per_call.items(), key=lambda kind: (-kind[1], kind[0]))
        parts = ", ".join(f"{name} {count:.2f}" for name, count in kinds if count >= 0.05)
        found[CALLS, case] = (sum(per_call.values()), parts)
    return found


def number(kind, value):
    return f"{value:.0f}" if kind == INSTRUCTIONS else f"{value:.2f}"


def render(found):
    lines = [f"{kind:<12} {case:<12} {number(kind, value):>9}  {parts}".rstrip()
             for (kind, case), (value, parts) in found.items()]
    return HEAD + "\n".join(lines) + "\n"


def read_table():
    rows = [line.split(maxsplit=3) for line in TABLE.read_text().splitlines()
            if line and not line.startswith("#")]
    return {(row[0], row[1]): float(row[2]) for row in rows}


def judge(found, table):
    """Prints the comparison; returns what is wrong with it."""
    wrong = []
    for key, (value, parts) in found.items():
        kind, case = key
        factor, slack = TOLERANCES[kind]
        before = table.get(key)
        if before is None:
            wrong.append(f"{case}: {kind} are not in {TABLE.name}")
            continue
        print(f"{kind:<12} {case:<12} {number(kind, before):>9} {number(kind, value):>9} "
              f"{value / before - 1:+7.1%}  {parts}".rstrip())
        if value > before * factor + slack:
            wrong.append(f"{case}: {number(kind, value)} {kind}, {number(kind, before)} so far")
        elif value < before / factor - slack:
            print(f"  {case} became cheaper: renew the table, so that it stays so")
    kinds = {kind for kind, _ in found}
    wrong += [f"{case}: its {kind} were not counted" for kind, case in table
              if kind in kinds and (kind, case) not in found]
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=pathlib.Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--renew", action="store_true", help="write the table")
    options = parser.parse_args()
    options.target = options.target.resolve()
    found = count_all(options)
    if options.renew:
        kept = {} if can_count() else {
            key: (value, "") for key, value in read_table().items() if key[0] == INSTRUCTIONS}
        TABLE.write_text(render({**kept, **found}))
        print(TABLE.read_text(), end="")
        return
    wrong = judge(found, read_table())
    if wrong:
        print("what a piece of work costs has grown; if that is worth it, renew the table with"
              " `make bench-gate RENEW=1` in the same commit:", file=sys.stderr)
        sys.exit("\n".join(f"  {line}" for line in wrong))


if __name__ == "__main__":
    try:
        main()
    except Broken as broken:
        sys.exit(f"bench-gate: {broken}")
