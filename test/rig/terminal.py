"""Runs a command in a terminal of its own, answers its question, and prints all that it says: terminal.py ANSWER COMMAND..."""

import os
import pty
import sys

answer, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
said = b""
asked = False
while True:
    try:
        more = os.read(terminal, 4096)
    except OSError:  # Linux says EIO at the end
        break
    if not more:
        break
    said += more
    if not asked and b"consent: " in said:
        asked = True
        os.write(terminal, answer.encode() + b"\n")
sys.stdout.buffer.write(said)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
