"""Services as real processes: they come up, say why they do not, and never outlive who needed them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from forge_dagster.domain.policy_gates import ServiceSection
from forge_dagster.domain.redaction import MASK
from forge_dagster.errors import ForgeError, Interrupted, ServiceFailed, SetupFailed, WorkspaceError
from forge_dagster.ports import Command
from forge_dagster.workspace import postgres, services
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.reaping import reap, start_time
from forge_dagster.workspace.services import LocalServices
from forge_dagster.workspace.serving import serving
from tests.support.postgres import find_server
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
SERVER = (
    "import os, socket\nlistening = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n"
    "while True:\n    listening.accept()[0].close()\n"
)


needs_postgres = pytest.mark.skipif(find_server() is None, reason=f"no PostgreSQL server: {postgres.MISSING}")


@pytest.fixture
def run(tmp_path: Path) -> ProcessRun:
    return ProcessRun(home=tmp_path / "home", run_id="test")


class Place:
    """A tree and all that `started` wants."""

    def __init__(self, folder: Path, run: ProcessRun) -> None:
        self.root, self.folder, self.run = folder / "tree", folder / "services", run
        self.root.mkdir()
        self.log: list[str] = []
        self.services = LocalServices(home=folder / "home", run=run)

    def started(self, **sections: ServiceSection):  # type: ignore[no-untyped-def]
        return self.services.started(
            sections, root=self.root, folder=self.folder, variables={}, run=self.run, log=self.log.append
        )

    def program(self, text: str, **rest: object) -> ServiceSection:
        (self.root / "program.py").write_text(text)
        return ServiceSection.model_validate({"command": (sys.executable, "program.py"), **rest})


@pytest.fixture
def place(tmp_path: Path, run: ProcessRun) -> Place:
    return Place(tmp_path, run)


def processes_on(folder: str) -> list[int]:
    """Those with `folder` in their command line: the server, and what stands around its sandbox."""
    return [process.pid for process in psutil.process_iter(["cmdline"]) if folder in " ".join(process.info["cmdline"] or [])]


def connects(url: str) -> bool:
    host, port = url.split("//")[1].split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


# --- a command that runs beside others -----------------------------------------------------------------------------------


def test_a_command_is_asked_before_it_is_killed(run: ProcessRun, tmp_path: Path) -> None:
    asks = "trap 'echo bye > said; exit 7' TERM; echo up; while :; do sleep 0.05; done"
    lines: list[str] = []
    with serving(run, Command(argv=("sh", "-c", asks), cwd=tmp_path, trusted=True), log=lines.append) as served:
        wait_until(lambda: lines == ["up"])
        assert served.over is None
    result = served.stop()
    assert result is not None
    assert (result.ended, result.exit_code) == ("exited", 7)
    assert (tmp_path / "said").read_text() == "bye\n"


def test_one_that_does_not_listen_is_killed(run: ProcessRun, tmp_path: Path) -> None:
    deaf = "trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done"
    with serving(
        run, Command(argv=("sh", "-c", deaf), cwd=tmp_path, trusted=True), log=lambda _line: None, grace_s=0.2
    ) as served:
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    result = served.stop()
    assert result is not None
    assert result.ended == "timeout"
    assert start_time(int((tmp_path / "pid").read_text())) is None


def test_stopping_the_run_ends_what_it_serves(run: ProcessRun, tmp_path: Path) -> None:
    with serving(run, Command(argv=("sleep", "300"), cwd=tmp_path, trusted=True), log=lambda _line: None) as served:
        run.stop()
        wait_until(lambda: served.over is not None)
    assert served.over is not None
    assert served.over.ended == "interrupted"


def test_a_private_folder_is_gone_with_its_context(run: ProcessRun, tmp_path: Path) -> None:
    with run.folder() as folder:
        (folder / "data").mkdir()
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
    assert not list((tmp_path / "home" / "processes" / "test").glob(f"{folder.name}*"))


# --- programs ------------------------------------------------------------------------------------------------------------


def test_a_program_is_up_where_its_variable_says_and_gone_after(place: Place) -> None:
    with place.started(**{"my-cellar": place.program(SERVER, url="tcp://127.0.0.1:{port}")}) as given:
        assert list(given) == ["MY_CELLAR_URL"]
        assert connects(given["MY_CELLAR_URL"])
    assert not connects(given["MY_CELLAR_URL"])


def test_every_service_sees_the_addresses_of_all(place: Place) -> None:
    tells = "import os\nopen('seen', 'w').write(os.environ['SECOND_URL'] + os.environ['MINE'])\n" + SERVER
    first = place.program(tells, environment={"MINE": " at {port}"}, setup=[["sh", "-c", 'test "$SECOND_URL" != ""']])
    second = first.model_copy(update={"command": (sys.executable, "-c", SERVER), "environment": {}})
    with place.started(first=first, second=second) as given:
        assert (place.root / "seen").read_text() == f"{given['SECOND_URL']} at {given['FIRST_URL'].rsplit(':', 1)[-1]}"


def test_a_service_keeps_its_data_in_a_folder_that_only_it_sees(place: Place) -> None:
    keeps = f"import os, sys\nopen(os.path.join(sys.argv[1], 'data'), 'w').write(str(os.listdir('..')))\n{SERVER}"
    (place.root / "keeps.py").write_text(keeps)
    command = (sys.executable, "keeps.py", "{folder}")
    first = ServiceSection.model_validate({"command": command, "setup": [["sh", "-c", "cp {folder}/data {folder}/more"]]})
    blind = ServiceSection.model_validate({"command": command, "setup": [["sh", "-c", "! ls {folder}/../first"]]})
    with place.started(first=first, second=blind):
        assert (place.folder / "first/more").read_text() == (place.folder / "second/data").read_text()
    assert not list(place.root.glob("data"))


def test_a_path_has_to_answer_well(place: Place) -> None:
    section = ServiceSection(command=(sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1"), ready="/health")
    (place.root / "health").write_text("ok")
    with place.started(web=section):
        pass
    (place.root / "health").unlink()
    with (
        pytest.raises(ServiceFailed, match="web did not answer GET /health with 2xx within 1 s"),
        place.started(web=section.model_copy(update={"start_timeout": 1.0})),
    ):
        pass


def test_one_that_dies_takes_the_others_with_it(place: Place) -> None:
    good = place.program(SERVER)
    bad = ServiceSection(command=(sys.executable, "-c", "raise SystemExit('no cellar')"))
    with pytest.raises(ServiceFailed, match=r"bad ended with 1 before it was up; its last output:\nno cellar"):  # noqa: SIM117
        with place.started(good=good, bad=bad):
            pytest.fail("it is not up")
    port = next(line for line in place.log if line.startswith("good: up")).rsplit(" ", 1)[-1]
    assert not connects(f"tcp://127.0.0.1:{port}")


def test_a_setup_that_fails_says_what_it_printed(place: Place) -> None:
    section = place.program(SERVER, setup=[["sh", "-c", "echo no such table >&2; exit 3"]])
    with pytest.raises(SetupFailed, match="no such table"), place.started(db=section):
        pytest.fail("it is not set up")


def test_a_setup_that_cannot_be_run_is_no_fault_of_the_change(place: Place) -> None:
    section = place.program(SERVER, setup=[["no-such-program"]])
    with pytest.raises(WorkspaceError, match="could not be started") as caught, place.started(db=section):
        pytest.fail("it is not set up")
    assert not isinstance(caught.value, SetupFailed)


def test_a_port_that_another_program_took_costs_another_attempt(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        offered = [[taken.getsockname()[1]], *([[services._free_ports(1)[0]]] * 2)]
        monkeypatch.setattr(services, "_free_ports", lambda _count: offered.pop(0))
        # slow enough that what listens there has been seen
        with place.started(
            x=place.program(SERVER.replace("listening =", "import time; time.sleep(0.3); listening ="))
        ) as given:
            assert connects(given["X_URL"])
    assert any("another program took the port" in line for line in place.log) or len(offered) == 2


def test_a_stopped_run_interrupts_what_is_starting(place: Place) -> None:
    section = place.program("import time\ntime.sleep(300)\n")
    timer = threading.Timer(0.3, place.run.stop)
    timer.start()
    with pytest.raises(Interrupted), place.started(slow=section):
        pytest.fail("it is not up")
    timer.join()


# --- PostgreSQL ------------------------------------------------------------------------------------------------------------

KILLED = """
import json, sys, time
from pathlib import Path
from forge_dagster.domain.policy_gates import ServiceSection
from forge_dagster.domain.redaction import MASK
from forge_dagster.workspace.processes import ProcessRun
from forge_dagster.workspace.services import LocalServices

home, root = Path(sys.argv[1]), Path(sys.argv[2])
run = ProcessRun(home=home, run_id="killed")
lines = []
with LocalServices(home=home, run=run).started(
    {"db": ServiceSection(kind="postgres")}, root=root, folder=root / "s", variables={}, run=run, log=lines.append
) as given:
    folder = next(line for line in lines if "Unix socket" in line).partition('socket "')[2].partition("/.s")[0]
    print(json.dumps({"folder": folder, **given}), flush=True)
    time.sleep(300)
"""


@pytest.mark.postgres
@needs_postgres
class TestPostgres:
    def test_nobody_gets_in_without_the_password(self, place: Place) -> None:
        import psycopg

        with place.started(db=ServiceSection(kind="postgres")) as given:
            with psycopg.connect(given["DATABASE_URL"]) as connection:
                row = connection.execute("SELECT current_setting('fsync'), inet_server_addr()::text").fetchone()
            assert row == ("off", "127.0.0.1/32")
            for user in ("postgres", given["PGUSER"]):
                with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                    psycopg.connect(host="127.0.0.1", port=given["PGPORT"], user=user, password="guess", dbname="postgres")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(given["DATABASE_URL"])

    def test_two_databases_are_two_servers(self, place: Place) -> None:
        import psycopg

        first = ServiceSection(kind="postgres", environment={"POSTGRES_DB": "till", "POSTGRES_USER": "postgres"})
        second = ServiceSection(
            kind="postgres", variable="STORE", url="postgresql://{user}:{password}@localhost:{port}/{database}"
        )
        with place.started(one=first, two=second) as given:
            assert given["DATABASE_URL"] == given["ONE_URL"]
            with psycopg.connect(given["STORE"]) as connection:
                connection.execute("CREATE TABLE x ()")
            with psycopg.connect(given["ONE_URL"]) as connection:
                row = connection.execute("SELECT current_database(), current_user, to_regclass('x')").fetchone()
        assert row == ("till", "postgres", None)

    def test_each_run_begins_empty_and_the_template_is_made_once(self, place: Place) -> None:
        import psycopg

        for _ in range(2):
            with (
                place.started(db=ServiceSection(kind="postgres")) as given,
                psycopg.connect(given["DATABASE_URL"]) as connection,
            ):
                connection.execute("CREATE TABLE x ()")
        assert sum("making a template" in line for line in place.log) == 1

    def test_many_at_once_share_one_template(self, place: Place) -> None:
        failures: list[ForgeError] = []

        def start(number: int) -> None:
            sections = {"db": ServiceSection(kind="postgres")}
            try:
                with place.services.started(
                    sections,
                    root=place.root,
                    folder=place.folder / str(number),
                    variables={},
                    run=place.run,
                    log=place.log.append,
                ):
                    pass
            except ForgeError as error:
                failures.append(error)

        threads = [threading.Thread(target=start, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert sum("making a template" in line for line in place.log) == 1

    @pytest.mark.parametrize(("code", "fault"), [(3, SetupFailed), (0, None)])
    def test_a_setup_that_prints_the_password_shows_it_to_nobody(self, place: Place, code: int, fault: object) -> None:
        tells = ["sh", "-c", f'echo "$DATABASE_URL $PGPASSWORD"; echo "$DATABASE_URL" >&2; exit {code}']
        section = ServiceSection.model_validate({"kind": "postgres", "setup": [tells]})
        said = ""
        try:
            with place.started(db=section):
                assert fault is None
        except SetupFailed as error:
            assert fault is SetupFailed
            said = str(error)
            assert "postgresql://" in said
        shown = [line for line in place.log if "postgresql://" in line]
        assert len(shown) == 2
        assert all(MASK in line for line in shown)
        assert not re.search(r"[0-9a-f]{32}", said + "".join(place.log))

    def test_a_kill_of_forge_leaves_no_server_and_no_file(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(home), str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            given = json.loads(process.stdout.readline())
            assert processes_on(given["folder"])
            os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: not processes_on(given["folder"]), timeout_s=30)
        reap(home)
        assert not Path(given["folder"]).exists()
