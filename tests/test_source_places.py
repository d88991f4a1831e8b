"""Sources elsewhere: SQLite, PostgreSQL, servers and buckets; read, never written, and without secrets in messages."""

import os
import shutil
import sqlite3
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from drivetrain import availability, source
from drivetrain.errors import DataError
from drivetrain.spec import Spec, load_spec

HEAD = """\
drivetrain: 1
project: {name: Try}
objective: {statement: Try it.}
levers: [{name: l, type: options, options: [a, b]}]
data:
  - name: people
    kind: table
    location: LOCATION
    entity: id
    time: joined
    columns: {age: number, town: category, active: boolean}
    outcomes: {left: {column: gone, type: binary, affected_by: []}}
"""
ROWS = [(1, "2025-01-01 10:00:00", 41.5, "Bonn", 1, 0), (2, "2025-01-02 00:00:00", None, "Köln", 0, 1)]
WANTED = {
    "age": [41.5, None],
    "town": ["Bonn", "Köln"],
    "active": [True, False],
    "id": ["1", "2"],
    "left": [False, True],
}


def plan(folder: Path, location: str) -> Spec:
    (folder / "drivetrain.yaml").write_text(HEAD.replace("LOCATION", f"'{location}'"))
    return load_spec(folder)


def seen(spec: Spec) -> dict[str, list]:
    rows = source.table(spec, "people").to_pydict()
    assert [str(time) for time in rows.pop("joined")] == ["2025-01-01 10:00:00", "2025-01-02 00:00:00"]
    return rows


def sqlite(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE people (id, joined, age REAL, town, active, gone, unused)")
        connection.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, 'x')", ROWS)
        connection.execute('CREATE VIEW "odd ""name" AS SELECT * FROM people')
    connection.close()


def test_a_table_of_sqlite_is_a_source(tmp_path):
    sqlite(tmp_path / "data/shop.db")
    before = (tmp_path / "data/shop.db").read_bytes()
    spec = plan(tmp_path, "sqlite:///data/shop.db?table=people")
    assert seen(spec) == WANTED
    assert seen(plan(tmp_path, "sqlite:///data/shop.db")) == WANTED, "the table called like the source"
    assert seen(plan(tmp_path, "sqlite:///data/shop.db?table=odd%20%22name")) == WANTED
    assert source.fingerprint(spec, "people").files == 1
    assert (tmp_path / "data/shop.db").read_bytes() == before
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["shop.db"]


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("sqlite:///data/none.db", "is not there"),
        ("sqlite:///data/shop.db?table=persons", "there is no table `persons`. Name one with `?table=…`: "),
        ("sqlite:///data/text.db", "cannot be read"),
        ("sqlite:///data/${NO_SUCH_NAME}.db", "the environment variable `NO_SUCH_NAME`, which is not set"),
    ],
)
def test_a_database_that_cannot_be_read_says_what_to_do(tmp_path, location, says):
    sqlite(tmp_path / "data/shop.db")
    (tmp_path / "data/text.db").write_text("no database at all, but long enough to have a header" * 20)
    with pytest.raises(DataError) as error:
        source.table(plan(tmp_path, location), "people")
    assert says in error.value.message
    assert not (tmp_path / "data/none.db").exists()


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """A web server on this machine; it counts what it sends."""
    folder = tmp_path_factory.mktemp("web")
    sent: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=str(folder), **kwargs)

        def do_GET(self):
            sent.append(self.path)
            super().do_GET()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()


def test_a_file_behind_an_address_is_copied_and_read(tmp_path, web):
    folder, address, _ = web
    lines = ["id,joined,age,town,active,gone", "1,2025-01-01 10:00:00,41.5,Bonn,true,0", "2,2025-01-02,,Köln,false,1"]
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    spec = plan(tmp_path, f"{address}/people.csv?token=s3cret")
    assert seen(spec) == WANTED
    assert source.fingerprint(spec, "people").files == 1
    with pytest.raises(DataError) as error:
        source.table(plan(tmp_path, f"{address}/none.csv?token=s3cret"), "people")
    assert "none.csv` cannot be read" in error.value.message
    assert "s3cret" not in error.value.message


def test_a_bucket_is_copied_once_and_again_when_it_changes(tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/shop/a.csv", b"id,joined,age,town,active,gone\n1,2025-01-01 10:00:00,41.5,Bonn,true,0\n")
    memory.pipe("/shop/b.csv", "id,joined,age,town,active,gone\n2,2025-01-02,,Köln,false,1\n".encode())
    memory.pipe("/shop/readme.txt", b"x")
    spec = plan(tmp_path, "memory://shop/*.csv")
    assert seen(spec) == WANTED
    memory.pipe("/shop/b.csv", "id,joined,age,town,active,gone\n2,2025-01-02,7,Köln,false,1\n".encode())
    source.remote._FRESH.clear()
    assert source.table(spec, "people")["age"].to_pylist() == [41.5, 7.0]
    memory.rm("/shop/b.csv")
    source.remote._FRESH.clear()
    assert source.table(spec, "people").num_rows == 1
    assert not list((tmp_path / ".drivetrain/remote/people").glob("b*")), "copies of what is gone go as well"


@pytest.mark.full
def test_an_s3_bucket_is_a_source(tmp_path, monkeypatch):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "verysecret",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        import boto3

        bucket = boto3.client("s3")
        bucket.create_bucket(Bucket="shop")
        body = "id,joined,age,town,active,gone\n1,2025-01-01 10:00:00,41.5,Bonn,true,0\n2,2025-01-02,,Köln,false,1\n"
        bucket.put_object(Bucket="shop", Key="in/people.csv", Body=body.encode())
        assert seen(plan(tmp_path, "s3://shop/in/*.csv")) == WANTED
        with pytest.raises(DataError) as error:
            source.table(plan(tmp_path, "s3://nowhere/in/people.csv"), "people")
        assert "verysecret" not in error.value.message
    finally:
        server.stop()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A real server of PostgreSQL, for this test alone."""
    programs = [Path(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    found = shutil.which("initdb")
    home = programs[-1] if programs else Path(found).parent if found else None
    assert home is not None, "install PostgreSQL: apt-get install postgresql"
    folder = tmp_path_factory.mktemp("postgres")
    as_user = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        for parent in folder.parents:
            if parent.owner() == "root" and parent.stat().st_mode & 0o005 == 0:
                parent.chmod(parent.stat().st_mode | 0o055)
        as_user = ["runuser", "-u", "postgres", "--"]
    (folder / "password").write_text("p@ss:word/1")
    data = folder / "db"

    def call(program: str, *args: str) -> None:
        subprocess.run([*as_user, str(home / program), *args], check=True, capture_output=True, cwd=folder)

    call("initdb", "-D", str(data), "-U", "keeper", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}")
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    call("pg_ctl", "-D", str(data), "-w", "-o", options, "-l", str(folder / "log"), "start")
    yield port
    call("pg_ctl", "-D", str(data), "-m", "immediate", "stop")


@pytest.mark.full
def test_a_table_of_postgresql_is_a_source(tmp_path, postgres, monkeypatch):
    import psycopg

    monkeypatch.setenv("PGPASSWORD", "p@ss:word/1")
    monkeypatch.setenv("DB_PASSWORD", "p%40ss%3Aword%2F1")
    address = f"postgresql://keeper@127.0.0.1:{postgres}/postgres"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA shop")
        connection.execute(
            "CREATE TABLE shop.people (id bigint PRIMARY KEY, joined timestamptz, age numeric, town text, "
            "active boolean, gone smallint, unused jsonb)"
        )
        connection.execute("SET TIME ZONE 'UTC'")
        for row in reversed(ROWS):
            connection.execute("INSERT INTO shop.people VALUES (%s, %s, %s, %s, %s::int::bool, %s)", row)
    spec = plan(tmp_path, f"{address}?table=shop.people")
    assert seen(spec) == WANTED, "in the order of the key"
    monkeypatch.delenv("PGPASSWORD")
    secret = f"postgresql://keeper:${{DB_PASSWORD}}@127.0.0.1:{postgres}/postgres?table=shop.people"
    spec = plan(tmp_path, secret)
    assert seen(spec) == WANTED
    first = source.fingerprint(spec, "people")
    assert first == source.fingerprint(spec, "people")
    assert not [f for f in availability.check(spec) if f.id == "DA101" and f.level == "fail"]
    monkeypatch.setenv("DB_PASSWORD", "wrong%20secret")
    with pytest.raises(DataError) as error:
        source.table(spec, "people")
    assert "cannot be read" in error.value.message
    assert "wrong" not in error.value.message
    assert "keeper" not in error.value.message


@pytest.mark.full
def test_a_server_that_is_not_there_says_so(tmp_path):
    with pytest.raises(DataError, match=r"`postgresql://127.0.0.1:1/db` cannot be read"):
        source.table(plan(tmp_path, "postgresql://someone:hidden@127.0.0.1:1/db?table=people"), "people")
