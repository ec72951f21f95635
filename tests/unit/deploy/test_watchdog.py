from __future__ import annotations

import signal
import subprocess

from deploy.local.watchdog import end, follow


def test_what_was_taken_in_charge_and_not_released_is_left() -> None:
    lines = ["+ 10 15\n", "+ 11 2\n", "- 10\n", "- 99\n", "+ 12 15\n"]

    assert follow(lines) == {11: 2, 12: 15}


def test_a_group_that_is_gone_is_no_error() -> None:
    process = subprocess.Popen(["/bin/sh", "-c", "exit"], start_new_session=True)
    process.wait()

    end({process.pid: signal.SIGTERM})


def test_a_group_that_does_not_leave_is_killed() -> None:
    command = ["/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()

        end({process.pid: signal.SIGTERM}, grace_seconds=0.2)

        assert process.wait() == -signal.SIGKILL
