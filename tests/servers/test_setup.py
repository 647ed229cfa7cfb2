"""Set-up without servers: ports, state, processes, the environment's stamp, sentences."""

import errno
import io
import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from deploy.local import environment, packages, ports, process
from deploy.local import state as states
from deploy.local.errors import SetupError
from deploy.local.files import os_error_sentence, require_space, write_atomic
from deploy.local.layout import Layout
from deploy.local.process import ProcessId
from deploy.local.progress import LineProgress
from deploy.local.teardown import remove_all

TICKING = (sys.executable, "-c", "import time; time.sleep(60)")
PATIENCE = ((signal.SIGTERM, 10.0),)


def test_the_previous_port_is_kept_while_it_is_free() -> None:
    assert ports.choose(25_000, free=lambda _: True) == 25_000


def test_a_taken_port_is_replaced_by_one_that_a_server_can_bind() -> None:
    with socket.create_server((ports.LOOPBACK, 0)) as other:
        taken = other.getsockname()[1]
        assert not ports.is_free(taken)
        chosen = ports.choose(taken)
    assert chosen != taken
    assert ports.is_free(chosen)


def test_the_other_servers_port_is_avoided() -> None:
    assert ports.choose(25_000, free=lambda _: True, avoid=[25_000]) != 25_000


def test_no_free_port_is_a_sentence() -> None:
    with pytest.raises(SetupError, match="No free port"):
        ports.choose(None, free=lambda _: False)


def test_state_survives_a_round_trip_and_is_private(tmp_path: Path) -> None:
    state = states.new_state()
    state.database.port = 25_001
    state.database.process = ProcessId(1234, 5678, "boot")
    state.provisioned = True
    file = tmp_path / "servers.json"
    states.save(state, file)
    assert states.load(file) == state
    assert file.stat().st_mode & 0o777 == 0o600


def test_every_user_has_a_password_of_its_own() -> None:
    state = states.new_state()
    passwords = [*state.database_passwords.values(), *state.mqtt_passwords.values()]
    assert len(set(passwords)) == len(passwords)
    assert all(len(password) == 32 for password in passwords)


def test_no_state_yet_is_none(tmp_path: Path) -> None:
    assert states.load(tmp_path / "servers.json") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"database": 1, "mqtt": 2}'])
def test_a_damaged_state_is_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "servers.json"
    file.write_text(text)
    with pytest.raises(SetupError, match="is damaged"):
        states.load(file)


def test_a_process_is_alive_until_it_ends(tmp_path: Path) -> None:
    started = process.spawn(TICKING, tmp_path / "log", {})
    assert started is not None
    assert started.alive()
    assert process.find(TICKING) == [started]
    process.stop(started, PATIENCE)
    assert not started.alive()
    assert process.find(TICKING) == []


def test_another_process_with_the_same_id_is_not_ours() -> None:
    own = process.identify(os.getpid())
    assert own is not None
    assert own.alive()
    assert not replace(own, started_ticks=own.started_ticks - 1).alive()
    assert not replace(own, boot_id="an earlier boot").alive()


def test_a_zombie_has_ended() -> None:
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert process.exists(child)
    assert process.identify(child) is None
    os.waitpid(child, 0)
    assert not process.exists(child)


def test_a_process_that_ignores_a_signal_gets_the_next(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = (
        f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(ready)!r}, 'w'); time.sleep(60)"
    )
    started = process.spawn((sys.executable, "-c", code), tmp_path / "log", {})
    assert started is not None
    assert process.wait_until(ready.exists, 10)
    process.stop(started, ((signal.SIGTERM, 0.1), (signal.SIGKILL, 10.0)))
    assert not started.alive()


def test_a_file_is_replaced_in_one_step_and_a_left_over_part_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "file"
    (tmp_path / "file.new").write_text("half")
    write_atomic(file, "whole", mode=0o600)
    assert file.read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_environment_is_made_again_only_when_its_inputs_change(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    before = environment.fingerprint(tmp_path)
    assert environment.fingerprint(tmp_path) == before
    (tmp_path / "constraints.txt").write_text("typer==1\n")
    after = environment.fingerprint(tmp_path)
    assert after != before
    assert after.splitlines()[0] == before.splitlines()[0]  # so it is updated, not made anew
    assert environment.fingerprint(tmp_path / "moved").splitlines()[0] != before.splitlines()[0]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        (
            "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution",
            "check the network",
        ),
        ("ERROR: something else", "setup.log says why"),
    ],
)
def test_what_pip_says_becomes_a_sentence(output: str, expected: str) -> None:
    assert expected in environment.pip_sentence(output, "Cannot install", Path("setup.log"))


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("E: You don't have enough free space in /x", "disk is full"),
        (
            "The following signatures couldn't be verified: NO_PUBKEY 6ED0E7B82643E131",
            "debian-archive-keyring",
        ),
        (
            "E: The repository 'http://mirror.test trixie Release' does not have a Release file.",
            "docker compose",
        ),
        ("W: Failed to fetch http://mirror.test  Temporary failure resolving", "check the network"),
        ("E: odd", "packages.log says why"),
    ],
)
def test_what_apt_says_becomes_a_sentence(output: str, expected: str) -> None:
    assert expected in packages.apt_sentence(output, Path("packages.log"))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EROFS, "may write to"),
        (errno.EACCES, "may write to"),
        (5, "Cannot work"),
    ],
)
def test_what_the_system_refuses_becomes_a_sentence(number: int, expected: str) -> None:
    assert expected in os_error_sentence(OSError(number, os.strerror(number)), Path("/clone"))


def test_too_little_space_is_told_before_the_download(tmp_path: Path) -> None:
    require_space(tmp_path, 0)
    with pytest.raises(SetupError, match="nearly full"):
        require_space(tmp_path, 10**9)


def test_clean_removes_what_was_made_and_nothing_else(tmp_path: Path) -> None:
    for made in (".venv/bin", ".local/log", "services/__pycache__", "carbonflow.egg-info", ".mypy_cache"):
        (tmp_path / made).mkdir(parents=True)
    (tmp_path / "services/app.py").write_text("")
    (tmp_path / ".env").write_text("")
    (tmp_path / ".local/servers.json").write_text("damaged")
    remove_all(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {"services", "services/app.py", ".env"}


def test_clean_stops_what_the_clone_started(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.local.mkdir()
    state = states.new_state()
    state.mqtt.process = process.spawn(TICKING, tmp_path / "log", {})
    states.save(state, layout.state)
    assert state.mqtt.running()
    remove_all(tmp_path)
    assert not state.mqtt.running()


def _shown(*, tty: bool, seconds: float) -> str:
    """What a step of this length writes, where everything above 0.05 s is shown."""
    stream = _Stream(tty=tty)
    with LineProgress(stream, first_s=0.05, every_s=60).step("Working"):
        Event().wait(seconds)
    return stream.getvalue()


class _Stream(io.StringIO):
    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


def test_a_quick_step_is_not_shown() -> None:
    stream = _Stream(tty=False)
    with LineProgress(stream, first_s=60).step("Working"):
        pass
    assert stream.getvalue() == ""


def test_a_long_step_is_shown_line_by_line_or_live() -> None:
    assert _shown(tty=False, seconds=0.1) == "Working ...\nWorking: done after 0 s\n"
    live = _shown(tty=True, seconds=0.1)
    assert live.count("\n") == 1
    assert live.endswith("\r\033[KWorking: done after 0 s\n")


def test_a_failed_step_is_not_called_done() -> None:
    stream = _Stream(tty=False)
    with pytest.raises(SetupError), LineProgress(stream, first_s=0.0).step("Working"):
        raise SetupError("No.")
    assert stream.getvalue().endswith("Working: stopped after 0 s\n")
