"""Runs a command in a terminal of its own, answers its question, and prints all that it says: terminal.py ANSWER COMMAND...

With ANSWER_WHEN it answers only when there is a file of that name.
"""

import os
import pty
import sys
import time

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
        while "ANSWER_WHEN" in os.environ and not os.path.exists(os.environ["ANSWER_WHEN"]):
            time.sleep(0.05)
        os.write(terminal, answer.encode() + b"\n")
sys.stdout.buffer.write(said)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
