"""Runs a program as somebody at a terminal would: at_a_terminal.py STDOUT PASSWORD PROGRAM ARGUMENTS...

Standard output goes to the file STDOUT. When the program asks for a password, PASSWORD is typed. What the terminal
showed is printed, and the exit code is the program's.
"""

import os
import pty
import sys
import termios
import time

stdout, password, program = sys.argv[1], sys.argv[2], sys.argv[3:]
child, terminal = pty.fork()
if child == 0:
    os.dup2(os.open(stdout, os.O_WRONLY | os.O_CREAT), 1)
    os.execv(program[0], program)

shown, typed = b"", False
while True:
    try:
        read = os.read(terminal, 1024)
    except OSError:  # How Linux tells that the program has ended.
        break
    if not read:
        break
    shown += read
    if not typed and b"assword" in shown:
        # Nobody types before the terminal has stopped to show what is typed.
        while termios.tcgetattr(terminal)[3] & termios.ECHO:
            time.sleep(0.01)
        os.write(terminal, password.encode() + b"\r")
        typed = True
sys.stdout.buffer.write(shown)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
