# SPDX-License-Identifier: Apache-2.0
"""Runs commands, and waits for a state instead of for a time."""

import itertools
import subprocess
import time


class CommandFailed(AssertionError):
    """A command failed that must succeed; the text has its whole output."""


class NotReached(AssertionError):
    """A state did not appear in time."""


def run(*argv, input=None, timeout=180, check=True, env=None):
    """Runs a command and returns its standard output."""
    argv = [str(word) for word in argv]
    done = subprocess.run(
        argv, input=input, capture_output=True, text=True, timeout=timeout, check=False, env=env
    )
    if check and done.returncode != 0:
        raise CommandFailed(
            f"{' '.join(argv)}: exit code {done.returncode}\n{input or ''}{done.stdout}{done.stderr}"
        )
    return done.stdout


LEAST_TRIES = 50


def wait_until(question, what, within=60, every=0.02, unless=None):
    """Calls `question` until its answer is true, and returns that answer.

    `what` names the state in the failure, a text or a function that makes one. `unless` is called
    each time too, and ends the wait by an exception (for example if a daemon has ended).

    A wait ends after `within` seconds and LEAST_TRIES questions: while a machine is slow or stands still,
    it is no use to ask less and less. `within` is short only where a later answer would be another fact."""
    deadline = time.monotonic() + within
    for tries in itertools.count(1):
        answer = question()
        if answer:
            return answer
        if unless:
            unless()
        if time.monotonic() > deadline and tries >= LEAST_TRIES:
            text = what() if callable(what) else what
            raise NotReached(f"not within {within} s and {tries} tries: {text}")
        time.sleep(every)
