"""The rivals: how each is started, with the settings for speed that its own documentation names.

Each function returns a server on the server's core, or raises `Missing` where the rival is not
installed. One worker each: there is one core.
"""

import grp
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import sys

from harness import BENCH, Broken, Group, Missing, Server, free_port

CONNECTIONS_MAX = 19_000
BACKLOG = 4096
FRAMEWORKS = ("hyper", "actix-web", "ntex", "may_minihttp")
HELLO = "Hello, World!"


def program(name, *folders):
    """Where Debian keeps servers is not in everybody's path."""
    path = os.pathsep.join([*map(str, folders), os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which(name, path=path)
    if not found:
        raise Missing(f"{name} is not installed")
    return found


def fresh_folder(bench, name):
    folder = bench.folder / f"node-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def raw_hello(bench, answer_file):
    """Writes the bytes of that file for each request: the floor of an epoll loop."""
    port = free_port()
    return Server("raw epoll", [bench.rivals / "raw-hello", port, answer_file], port, bench.folder)


def raw_fanout(bench):
    port = free_port()
    return Server("raw loop", [bench.rivals / "raw-fanout", port], port, bench.folder)


def framework(bench, name):
    """Settings and their sources: frameworks/src."""
    binary = bench.target / "frameworks/release/bellwether-frameworks"
    if not binary.exists():
        raise Missing("bench/frameworks is not built")
    port = free_port()
    return Server(name, [binary, name, port], port, bench.folder, says_ready=False)


def nginx(bench, files=None):
    """`/hello` from the configuration, `/files/…` from that folder.

    sendfile, tcp_nopush, tcp_nodelay, backlog: docs.nginx.com, "Serving Static Content", section
    "Optimizing Performance". worker_connections, keepalive_requests, access_log off,
    open_file_cache: nginx.com/blog/tuning-nginx, and nginx.org/en/docs/http/ngx_http_core_module.
    """
    return nginx_with(bench, files, "nginx", "", "")


def nginx_tls(bench, files, pem):
    """The same over TLS 1.3 with that certificate and key, and with the cipher that we choose.

    ssl_session_tickets on is the default, ssl_buffer_size for long answers too:
    nginx.org/en/docs/http/ngx_http_ssl_module. Its own advice on HTTPS is one worker per core and
    sessions that are taken up again: nginx.org/en/docs/http/configuring_https_servers.
    """
    settings = f"""\
    ssl_certificate {pem}; ssl_certificate_key {pem};
    ssl_protocols TLSv1.3; ssl_prefer_server_ciphers on;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
"""
    return nginx_with(bench, files, "nginx", "ssl", settings)


def nginx_with(bench, files, name, listen, settings):
    folder, port = fresh_folder(bench, "nginx"), free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"  {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = folder / "nginx.conf"
    config.write_text(f"""\
daemon off; {user} worker_processes 1; worker_rlimit_nofile {CONNECTIONS_MAX + 500};
pid {folder}/pid; error_log stderr crit;
events {{ worker_connections {CONNECTIONS_MAX}; }}
http {{
{temporary}
  access_log off; default_type text/plain;
  sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_requests 1000000000; keepalive_timeout 300s;
  open_file_cache max=1000 inactive=300s; open_file_cache_valid 300s;
  server {{
    listen 127.0.0.1:{port} {listen} backlog={BACKLOG};
{settings}    location = /hello {{ return 200 "{HELLO}"; }}
    location /files/ {{ alias {files or folder}/; default_type application/json; }}
  }}
}}
""")
    command = [program("nginx"), "-e", "stderr", "-c", config]
    return Server(name, command, port, bench.folder, says_ready=False)


def h2o(bench):
    """`/hello` from a file, which h2o keeps open and its documentation names as its fastest.

    num-threads, max-connections: h2o.examp1e.net/configure/base_directives.html; it logs nothing
    unless told to. file.file: h2o.examp1e.net/configure/file_directives.html.
    """
    folder, port = fresh_folder(bench, "h2o"), free_port()
    (folder / "hello.txt").write_text(HELLO)
    user = "user: root\n" if os.geteuid() == 0 else ""
    config = folder / "h2o.conf"
    config.write_text(f"""\
{user}num-threads: 1
max-connections: {CONNECTIONS_MAX}
pid-file: {folder}/pid
hosts:
  default:
    listen:
      host: 127.0.0.1
      port: {port}
    paths:
      /hello:
        file.file: {folder}/hello.txt
""")
    return Server("h2o", [program("h2o"), "-c", config], port, bench.folder, says_ready=False)


def twisted_web(bench):
    port = free_port()
    command = [sys.executable, BENCH / "twisted/web.py", port]
    return Server("twisted", command, port, bench.folder)


def twisted_line(bench):
    port = free_port()
    command = [sys.executable, BENCH / "twisted/server.py", "twisted", port]
    return Server("twisted", command, port, bench.folder)


def twisted_pb(bench):
    port = free_port()
    command = [sys.executable, BENCH / "twisted/pb.py", port]
    return Server("twisted", command, port, bench.folder)


def twisted_herd(bench, nodes):
    """A ring, where flooding sends the fewest copies."""
    lines, ats = ([free_port() for _ in range(nodes)] for _ in range(2))
    members = []
    try:
        for at in range(nodes):
            command = [sys.executable, BENCH / "twisted/server.py", f"node{at + 1}", lines[at],
                       "--at-port", ats[at]]
            for neighbour in ((at + 1) % nodes, (at - 1) % nodes):
                command += ["--peer", f"127.0.0.1:{ats[neighbour]}"]
            members.append(Server(f"twisted {at + 1}", command, lines[at], bench.folder))
    except BaseException:
        Group("", members).__exit__()
        raise
    group = Group("twisted herd", members)
    group.line_ports = lines
    return group


def redis(bench, durable):
    """appendfsync always: redis.io/docs, "Redis persistence"; no snapshots beside the log, no
    rewrite of the log under load. maxclients, tcp-backlog: redis.io/docs, "Redis latency"."""
    folder, port = fresh_folder(bench, "redis"), free_port()
    log = ["--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"]
    command = [program("redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", "",
               "--dir", folder, "--maxclients", CONNECTIONS_MAX, "--tcp-backlog", BACKLOG,
               *(log if durable else ["--appendonly", "no"])]
    name = "Redis, appendfsync always" if durable else "Redis pub/sub"
    return Server(name, command, port, bench.folder, says_ready=False)


def nats_server(bench, name, config):
    folder, port = fresh_folder(bench, re.sub("[^a-z0-9]+", "-", name.lower())), free_port()
    file = folder / "nats.conf"
    file.write_text(f'host: 127.0.0.1\nport: {port}\n{config.replace("FOLDER", str(folder))}\n')
    # Debian's is older than sync_interval; the package that the venv has carries the program.
    command = [program("nats-server", bench.target / "venv/bin"), "-c", file]
    return Server(name, command, port, bench.folder, says_ready=False)


def nats(bench):
    """Core NATS as it comes: docs.nats.io has no settings for speed beyond the client's."""
    return nats_server(bench, "NATS core", "")


def nats_cluster(bench, nodes):
    """docs.nats.io, "Clustering": routes to each."""
    ports = [free_port() for _ in range(nodes)]
    routes = ", ".join(f"nats-route://127.0.0.1:{port}" for port in ports)
    members = []
    try:
        for at, port in enumerate(ports):
            config = f"""\
server_name: n{at}
cluster {{ name: bench, host: 127.0.0.1, port: {port}, routes: [{routes}] }}
"""
            members.append(nats_server(bench, f"NATS of {nodes}, {at + 1}", config))
    except BaseException:
        Group("", members).__exit__()
        raise
    return Group("NATS cluster", members)


def jetstream(bench, synced):
    """docs.nats.io, "Configuring JetStream": sync_interval, by default two minutes; `always`
    syncs before each acknowledgement, as its text on durability advises."""
    name = "JetStream, sync always" if synced else "JetStream, default (sync each 2 min)"
    sync = "sync_interval: always" if synced else ""
    server = nats_server(bench, name, f'jetstream {{ store_dir: "FOLDER", {sync} }}')
    try:
        create_stream(server.port)
    except BaseException:
        server.stop()
        raise
    return server


def create_stream(port):
    stream = json.dumps({"name": "BENCH", "subjects": ["bench"], "storage": "file",
                         "retention": "limits", "num_replicas": 1}).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            b'CONNECT {"verbose":false}\r\nSUB made 1\r\n'
            b"PUB $JS.API.STREAM.CREATE.BENCH made %d\r\n%s\r\n" % (len(stream), stream))
        answer = b""
        while not re.search(rb"MSG made [^\r]*\r\n.*\r\n", answer):
            piece = connection.recv(4096)
            if not piece:
                raise Broken(f"JetStream closed the connection: {answer!r}")
            answer += piece
        if b'"error"' in answer:
            raise Broken(f"JetStream made no stream: {answer!r}")


def inn(bench):
    """innd of Debian's inn2, with all its files in a folder of its own, which must be its user's.

    Default settings, of which icdsynccount (sync of active and history, not of articles) is one:
    INN never syncs an article. tradspool, hisv6 and tradindexed are what inn.conf comes with.
    """
    programs = pathlib.Path("/usr/lib/news/bin")
    if not (programs / "innd").exists():
        raise Missing("innd is not installed")
    folder, port = fresh_folder(bench, "inn"), free_port()
    root = os.geteuid() == 0
    user, group = ("news", "news") if root else (pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name)
    for name in ("etc/filter", "db", "log", "run", "tmp", "http", "spool/articles",
                 "spool/overview", "spool/incoming", "spool/outgoing", "spool/archive"):
        (folder / name).mkdir(parents=True)
    files = {
        "etc/inn.conf": f"""\
mta: "/bin/true %s"
ovmethod: tradindexed
hismethod: hisv6
pathhost: inn.example
domain: example
fromhost: inn.example
pathnews: {folder}
pathbin: {programs}
pathetc: {folder}/etc
pathdb: {folder}/db
pathlog: {folder}/log
pathrun: {folder}/run
pathspool: {folder}/spool
patharticles: {folder}/spool/articles
pathoverview: {folder}/spool/overview
pathincoming: {folder}/spool/incoming
pathoutgoing: {folder}/spool/outgoing
patharchive: {folder}/spool/archive
pathhttp: {folder}/http
pathtmp: {folder}/tmp
pathcontrol: {programs}/control
pathfilter: {folder}/etc/filter
runasuser: {user}
runasgroup: {group}
port: {port}
bindaddress: 127.0.0.1
""",
        "etc/storage.conf": "method tradspool {\n    newsgroups: *\n    class: 0\n}\n",
        "etc/incoming.conf": "streaming: true\npeer load {\n  hostname: 127.0.0.1\n}\n",
        "etc/newsfeeds": "ME:*::\n", "etc/expire.ctl": "/remember/:10\n*:A:1:never:never\n",
        "etc/control.ctl": "all:*:*:drop\n", "etc/readers.conf": "", "etc/moderators": "",
        "db/newsgroups": "", "db/active.times": "", "db/history": "",
        "db/active": "".join(
            f"{name} 0000000000 0000000001 {flag}\n"
            for name, flag in (("control", "n"), ("control.cancel", "n"), ("junk", "n"),
                               ("misc.test", "y"))),
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    by_user = []
    if root:
        subprocess.run(["chown", "-R", "news:news", folder], check=True)
        by_user = ["setpriv", "--reuid=news", "--regid=news", "--clear-groups"]
    by_user += ["env", f"INNCONF={folder}/etc/inn.conf"]
    subprocess.run([*by_user, programs / "makedbz", "-i", "-o", "-s", "2000000",
                    "-f", folder / "db/history"], check=True)
    server = Server("INN", [*by_user, programs / "innd", "-d"], port, bench.folder,
                    says_ready=False)
    server.news_port = port
    return server


def versions(bench):
    """(who, version) of ours, by its commit, and of each rival that is here."""
    commands = {
        "bellwether": ["git", "-C", BENCH, "describe", "--always", "--dirty"],
        "INN": ["innconfval", "version"], "nginx": ["nginx", "-v"], "h2o": ["h2o", "--version"],
        "nats-server": ["nats-server", "--version"], "redis-server": ["redis-server", "--version"],
        "Python, Twisted": [sys.executable, "-c", "import sys, twisted as t;"
                            "print(sys.version.split()[0], t.__version__)"],
        "wrk": ["wrk", "--version"],
    }
    found = []
    for who, (name, *options) in commands.items():
        try:
            path = program(name, bench.target / "venv/bin", "/usr/lib/news/bin")
            done = subprocess.run([path, *options], capture_output=True, text=True)
            found.append((who, (done.stdout or done.stderr).partition("\n")[0].strip()))
        except Missing as missing:
            found.append((who, f"MISSING: {missing}"))
    lock = pathlib.Path(BENCH / "frameworks/Cargo.lock").read_text()
    for crate in FRAMEWORKS:
        found.append((crate, re.search(rf'name = "{crate}"\nversion = "([^"]+)"', lock)[1]))
    return found
