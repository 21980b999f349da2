"""A backend that does as its argument says; another package's, as far as the worker knows."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading

from scanner_backends.base import Description, Mode, Pressed, RawPage, TrayPage
from scanner_backends.errors import Cancelled, DeviceBusy, Jammed, NoDocs, SourceError, WarmingUp

UNWANTED = ("asyncio", "aiohttp", "lxml", "wsdiscovery", "multiprocessing", "pypdfium2")


class ScriptedBackend:
    """Does as its argument says."""

    def __init__(self, argument):
        if argument == "refuse":
            raise SourceError("This source is never there.")
        self.script = argument
        self.at("the start")
        self.cancelled = threading.Event()
        self.scans = 0

    def describe(self):
        if self.script.startswith("button "):
            return Description("scripted", False, buttons=("scan",))
        if self.script.startswith("busy "):
            self.busy()
            return Description("scripted", False)
        if self.script == "hang":
            self.hang()
        if self.script == "die at once":
            os._exit(3)
        if self.script == "many":
            pages = tuple(TrayPage(n, f"a page with a long name {n}") for n in range(30_000))
            return Description("scripted", True, platen=pages)
        loaded = ",".join(sorted(sys.modules.keys() & set(UNWANTED)))
        return Description(loaded or "nothing unwanted", True, platen=(TrayPage(0, "page"),))

    def pressed(self):
        """Whoever makes the file that the argument names has pressed the button."""
        if self.script == "jam":
            self.jam()
        try:
            os.unlink(self.script.removeprefix("button "))
        except FileNotFoundError:
            return ()
        return (Pressed("scan", "first"),)

    def busy(self):
        """While there is the file that the argument names, another program has the scanner."""
        if os.path.exists(self.script.removeprefix("busy ")):
            raise DeviceBusy("The scanner is in use by another program.")

    def scan(self, request, page):
        if self.script.startswith("busy "):
            self.busy()
        self.cancelled.clear()
        self.at("the options")
        self.scans += 1
        if self.script == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self.script == "cold" or (self.script == "lukewarm" and self.scans < 3):
            raise WarmingUp("The lamp is cold.")
        if self.script == "two sheets" and self.scans % 3 == 0:
            raise NoDocs("The feeder is empty.")
        if self.script == "jam between" and self.scans == 2:
            raise Jammed("A sheet is stuck.")
        if self.script == "empty":
            raise NoDocs("The feeder is empty.")
        if self.script == "jam at once":
            raise Jammed("A sheet is stuck.")
        if self.script.startswith("ahead"):
            return RawPage(100, 256, Mode.GRAY, 8, self.counted(self.scans))
        if self.script == "tall":
            return RawPage(4000, 3000, Mode.GRAY, 8, self.tall())
        later = self.script == "jam in the second" and self.scans == 2
        return RawPage(100, 256, Mode.GRAY, 8, self.jammed() if later else self.bands())

    def counted(self, number):
        for _ in range(4):
            yield bytes([number]) * 6400
        if self.script == "ahead, jam" and number == 1:
            self.jam()
        if self.script == "ahead, hang" and number == 2:
            open(os.path.join(sys.argv[2], "hangs"), "w").close()
            threading.Event().wait()
        open(os.path.join(sys.argv[2], f"scanned {number}"), "w").close()

    def tall(self):
        for _ in range(300):
            yield os.urandom(40_000)
        open(os.path.join(sys.argv[2], "scanned"), "w").close()

    def jammed(self):
        yield bytes(6400)
        self.jam()

    def bands(self):
        if self.script == "wait":
            self.wait()
        self.at("the header")
        yield bytes(6400)
        self.at("mid-page")
        act = {
            "jam": self.jam,
            "bug": self.bug,
            "print": self.prints,
            "die": self.die,
            "garbage": self.garbage,
            "deaf": threading.Event().wait,
            "wait later": self.wait,
            "memory": self.memory,
            "full": self.full,
        }.get(self.script)
        if act:
            act()
        for _ in range(3):
            yield bytes(6400)
        self.at("the end")

    def at(self, stage):
        """Fail at this stage, if that is the script: "killed at the end"; but only once."""
        way, _, where = self.script.partition(" at ")
        if where != stage:
            return
        try:
            open(os.path.join(sys.argv[2], "failed"), "x").close()
        except FileExistsError:
            return
        if way == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif way == "frozen":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif way == "rubbish":
            self.garbage()

    def cancel(self):
        if self.script != "deaf":
            self.cancelled.set()

    def close(self):
        if self.script == "farewell":
            os.write(2, b"closed\n")

    def wait(self):
        self.cancelled.wait()
        raise Cancelled("The scan was cancelled.")

    def hang(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        threading.Event().wait()

    def jam(self):
        raise Jammed("A sheet is stuck.")

    def bug(self):
        raise ValueError("nobody thought of this")

    def full(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def memory(self):
        raise MemoryError

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def prints(self):
        print("stray")
        os.write(1, b"stray\n")
        subprocess.run([sys.executable, "-P", "-c", "print('stray')"], check=True)
        assert sys.stdin.read() == ""
        assert os.read(0, 10) == b""

    def garbage(self):
        for fd in range(3, 32):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, b"this is not a frame at all")
            except OSError:
                pass  # closed, or the end to read from
