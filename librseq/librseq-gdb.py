# SPDX-License-Identifier: MIT
"""gdb commands for restartable sequences: see rseq_debug(7).

A section of code [start, commit) is armed when the address of its descriptor
is stored to rseq_cs.  A stop inside it is an interruption like any other: if
the thread runs on, the kernel lets it do so at the section's abort address.
So a section can be looked at, and be run through, but not be stepped through.
"""
import os
import re
import struct

import gdb

# The thread pointer, the offset of the line from it, and how many instructions
# it takes to arm a section, the last right before it.
ARCHITECTURES = {
    "i386:x86-64": ("$fs_base", 0x80, 2),
    "aarch64": ("$tpidr", -128, 3),
    "riscv:rv64": ("$tp", -128, 3),
    "s390:64-bit": ("(unsigned long)(unsigned)$acr0 << 32 | (unsigned)$acr1",
                    0x80, 2),
    "powerpc:common64": ("$r13", -0x7000 - 192, 5),
    "Loongarch64": ("$r2", -128, 2),
}


# ---- the program, as gdb sees it ----

def architecture():
    name = gdb.selected_inferior().architecture().name()
    if name not in ARCHITECTURES:
        raise gdb.GdbError("rseq: nothing is known of " + name)
    return ARCHITECTURES[name]


def memory(address, size):
    return gdb.selected_inferior().read_memory(address, size).tobytes()


def byte_order():
    return "<" if "little" in gdb.execute("show endian", to_string=True) \
        else ">"


def unpacked(layout, data):
    return struct.unpack(byte_order() + layout, data)


def value(expression):
    """The expression as a number, or None where its symbols are not."""
    try:
        return int(gdb.parse_and_eval(expression))
    except gdb.error:
        return None


def need_thread():
    if gdb.selected_thread() is None:
        raise gdb.GdbError("The program is not being run.")
    return gdb.selected_thread()


def program_counter():
    return gdb.newest_frame().pc()


def words(name):
    """What the ELF sections of this name hold now, relocated."""
    line = r"^\s*0x(\w+) - 0x(\w+) is %s(?: in .*)?$" % re.escape(name)
    for first, end in re.findall(
            line, gdb.execute("info files", to_string=True), re.M):
        count = (int(end, 16) - int(first, 16)) // 8
        try:
            yield from unpacked("%dQ" % count,
                                memory(int(first, 16), count * 8))
        except gdb.MemoryError:
            pass


def symbol(address):
    """The symbol before the address and the distance from it, or None."""
    found = re.match(r"(.+?)(?: \+ (\d+))? in section ",
                     gdb.execute("info symbol %#x" % address, to_string=True))
    return found and (found.group(1), int(found.group(2) or 0))


def function_blocks(pc):
    """Of the functions that pc is in: inlined ones first, the real one last.
    """
    block = gdb.block_for_pc(pc)
    while block is not None:
        if block.function is not None:
            yield block
        block = block.superblock


def real_frame(frame):
    """The frame of the function that frame's is inlined in, or itself."""
    while frame is not None and frame.type() == gdb.INLINE_FRAME:
        frame = frame.older()
    return frame


def place(pc, line=None):
    """The function that pc is in, what is inlined there, and the line.

    No table leads from pc to the line of the outermost call: unless it is
    known, it is the one on which the function begins.
    """
    blocks = list(function_blocks(pc))
    if not blocks:
        return (symbol(pc) or ("??",))[0]
    function = blocks[-1].function
    inlined = " (%s)" % blocks[0].function.name if len(blocks) > 1 else ""
    return "%s%s, %s:%d" % (function.name, inlined, os.path.basename(
        function.symtab.filename), line or function.line)


# ---- sections ----

class Section:
    """What a descriptor says; gdb.MemoryError if none is there."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.start, length, self.abort = unpacked(
            "8x3Q", memory(descriptor, 32))
        self.commit = self.start + length

    def __contains__(self, pc):
        return self.start <= pc < self.commit

    def __str__(self):
        line = None
        if gdb.selected_thread() and self.around(program_counter()):
            line = real_frame(gdb.newest_frame()).find_sal().line
        return place(self.start, line)

    def around(self, pc):
        """Whether the thread is in it, or arming it."""
        return pc in self or (self.start - 32 < pc < self.start and
                              self.entry() <= pc)

    def awaits_token(self):
        """Whether it is that of rseq_store_undisturbed(), armed long before it starts."""
        token = value("(long)&rseq_event_token_")
        return token is not None and Section(token).start == self.start

    def armed(self):
        """Whether the kernel aborts it.

        By what the descriptor says: a program can have a copy of the token.
        """
        area = Area()
        try:
            return (area.registered() and area.rseq_cs != 0 and
                    Section(area.rseq_cs).start == self.start)
        except gdb.MemoryError:
            return False

    def protected(self, pc):
        """Whether it is aborted, or else going to see why it cannot be."""
        return (self.armed() or not Area().registered() or
                pc == self.start and self.awaits_token())

    def exits(self):
        """Where branches out of it lead."""
        pairs = list(words("__rseq_exit_point_array"))
        return {to for start, to in zip(pairs[::2], pairs[1::2])
                if start == self.start}

    def entry(self):
        """The first of the instructions that arm it, else its start.

        Code is read forwards only: from the symbol before it.
        """
        before, count = symbol(self.start), architecture()[2]
        if before is None or before[1] == 0:
            return self.start
        code = gdb.selected_inferior().architecture().disassemble(
            self.start - before[1], self.start - 1)
        if len(code) < count or \
                code[-1]["addr"] + code[-1]["length"] != self.start:
            return self.start
        return code[-count]["addr"]


def sections():
    found = []
    for descriptor in set(words("__rseq_cs_ptr_array")):
        try:
            found.append(Section(descriptor))
        except gdb.MemoryError:
            pass
    return sorted(found, key=lambda section: section.start)


def section_around(pc):
    return next((s for s in sections() if pc in s), None)


def section_ahead(pc):
    """The section that pc is in, or that is being armed there."""
    return next((s for s in sections() if s.around(pc)), None)


# ---- the area ----

class Area:
    """The selected thread's: where it is and what it holds."""

    FIELDS = ("cpu_id_start", "cpu_id", "rseq_cs", "flags", "node_id",
              "mm_cid", "slice_ctrl", "event", "status")

    def __init__(self):
        pointer, line, _ = architecture()
        self.line = value("(long)&__tlabi_v1") is not None
        offset = line if self.line else value("*(long *)&__rseq_offset")
        if not offset:
            raise gdb.GdbError("rseq: this libc has no rseq area")
        self.offset = offset
        self.address = value("(unsigned long)(%s)" % pointer)
        if self.address is None:
            raise gdb.GdbError("rseq: gdb does not know " + pointer)
        self.address += offset
        try:
            fields = unpacked("IIQ4I16xII",
                              memory(self.address,
                                     56 if self.line else 32).ljust(56))
        except gdb.MemoryError:
            raise gdb.GdbError("rseq: this thread has no rseq area (yet)")
        self.__dict__.update(zip(self.FIELDS, fields))

    def registered(self):
        return self.cpu_id < 1 << 31

    def feature_size(self):
        """Bytes that the kernel fills in; before Linux 6.3 it did not say."""
        found = re.search(r"^27 .*\s(\w+)$",
                          gdb.execute("info auxv", to_string=True), re.M)
        return int(found.group(1), 0) if found else 20

    def arm(self, descriptor):
        gdb.selected_inferior().write_memory(
            self.address + 8, struct.pack(byte_order() + "Q", descriptor))


def named(descriptor):
    """What an address that rseq_cs can hold is the address of."""
    if descriptor == 0:
        return "nothing is armed"
    try:
        section = Section(descriptor)
        if section.awaits_token():
            return "rseq_event_token_: no event since it was put there"
        return str(section)
    except gdb.MemoryError:
        return "there is no descriptor"


def area_fields(area):
    yield "offset", "%+#x (%s)" % (
        area.offset, "the line" if area.line else "stock glibc")
    yield "cpu_id_start", area.cpu_id_start
    if area.registered():
        yield "cpu_id", area.cpu_id
    else:
        yield "cpu_id", {-1: "-1: not registered",
                         -2: "-2: registration refused or turned off"}.get(
            area.cpu_id - (1 << 32), "%#x: no cpu" % area.cpu_id)
    yield "rseq_cs", "%#x: %s" % (area.rseq_cs, named(area.rseq_cs))
    yield "flags", "%#x" % area.flags
    if area.registered() and area.feature_size() >= 28:
        yield "node_id", area.node_id
        yield "mm_cid", area.mm_cid
    if area.line:
        yield "event", area.event
        yield "status", "version %d, %d bytes registered, errno %d" % (
            area.status & 0xff, area.status >> 8 & 0xff, area.status >> 16)
    else:
        event = value("(unsigned int)rseq_thread_event_")
        if event is not None:
            yield "event", "%d (librseq's own variable)" % event


def section_fields(pc):
    yield "pc", "%#x" % pc
    for section in sections():
        if pc == section.abort:
            yield "section", "none, but at the abort address of %s" % section
            return
    section = section_around(pc)
    yield "section", section or "none"
    if section is None:
        return
    yield "start", "%#x" % section.start
    yield "commit", "%#x" % section.commit
    yield "abort", "%#x" % section.abort
    yield "exits", ", ".join(map(hex, section.exits())) or "none"
    if section.armed():
        yield "state", "armed: after this stop it is aborted, not committed"
    elif section.protected(pc):
        yield "state", "not armed, which it is going to see"
    else:
        yield "state", "NOT ARMED: nothing protects it any more"


class InfoRseq(gdb.Command):
    """Show the rseq area of the selected thread, and the section it is in.

It reads memory only, so it works on core files too."""

    def __init__(self):
        super().__init__("info rseq", gdb.COMMAND_STATUS, prefix=True)

    def invoke(self, argument, from_tty):
        thread, area = need_thread(), Area()
        print("Thread %d has its rseq area at %#x:" % (thread.num,
                                                       area.address))
        for fields in area_fields(area), section_fields(program_counter()):
            for name, text in fields:
                print("  %-13s %s" % (name, text))


class InfoRseqSections(gdb.Command):
    """List the sections of the program and its shared libraries."""

    def __init__(self):
        super().__init__("info rseq sections", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        found = sections()
        if not found:
            print("No sections: none are linked in, or not loaded yet.")
            return
        row = "%-18s %-18s %-18s %s"
        print(row % ("start", "commit", "abort", "section"))
        for section in found:
            print(row % (hex(section.start), hex(section.commit),
                         hex(section.abort), section))


# ---- running ----

def stack_pointer():
    return value("(unsigned long)$sp")


class Stop(gdb.Breakpoint):
    """A breakpoint that only this module sees, in this thread only."""

    def __init__(self, address, wanted):
        super().__init__("*%#x" % address, internal=True)
        self.silent = True
        self.thread = gdb.selected_thread().global_num
        self.wanted = wanted
        self.hit = False

    def stop(self):
        self.hit = bool(self.wanted())
        return self.hit


def run(command, stops):
    """Do it with these breakpoints; the one that was hit, or None.

    What gdb says is said only if the program stopped for another reason.
    """
    try:
        said = gdb.execute(command, to_string=True)
        hit = next((stop for stop in stops if stop.hit), None)
        if hit is None:
            print(said, end="")
        return hit
    finally:
        for stop in stops:
            if stop.is_valid():
                stop.delete()


class OthersDisabled:
    """Without the user's breakpoints in this range: to hit one is to abort."""

    def __init__(self, first, end):
        enabled = r"^(\d+(?:\.\d+)?)\s.*?\by\s+(0x[0-9a-f]+)\b"
        self.numbers = [
            number for number, address in re.findall(
                enabled, gdb.execute("info breakpoints", to_string=True), re.M)
            if first <= int(address, 16) < end]

    def __enter__(self):
        for number in self.numbers:
            gdb.execute("disable " + number)

    def __exit__(self, *_):
        for number in self.numbers:
            try:
                gdb.execute("enable " + number)
            except gdb.error:
                pass


def leave(section):
    """Run until the thread is out of the section; whether it got there."""
    pc = program_counter()
    if pc in section and not section.protected(pc):
        raise gdb.GdbError(
            "rseq: this section is not armed any more and would run on "
            "unprotected; to abort it: set var $pc = %#x" % section.abort)
    # The same depth: a signal handler may run the same section.
    depth = stack_pointer()
    ways = {section.commit: "committed", section.abort: "aborted"}
    for to in section.exits():
        ways[to] = "left by a branch" if to != section.commit else \
            "committed, or left by a branch to the same place"
    name = str(section)
    with OthersDisabled(section.entry() + 1, section.commit):
        stops = {address: Stop(address, lambda: stack_pointer() == depth)
                 for address in ways}
        hit = run("continue", list(stops.values()))
    if hit is None:
        return False
    pc = next(address for address, stop in stops.items() if stop is hit)
    if pc == section.abort:
        follow_abort(section)
    print("Section %s: %s" % (ways[pc], name))
    real_frame(gdb.newest_frame()).select()
    gdb.execute("frame")
    return True


def follow_abort(section):
    """Take the jump at the abort address, which is in no function, out of it.

    Not by a step, of which gdb would print where it ended.
    """
    code = gdb.selected_inferior().architecture().disassemble(
        program_counter())[0]["asm"]
    jump = re.match(r"(?:jmp|b|j|jg)\s+(0x[0-9a-f]+)\b", code)
    if jump:
        gdb.execute("set var $pc = " + jump.group(1))
    elif code.startswith("ld"):     # where to is behind the descriptor
        gdb.execute("set var $pc = %d" % unpacked(
            "Q", memory(section.descriptor + 32, 8)))


class Entry(Stop):
    """Before a section that a step comes to, in one of these frames."""

    def __init__(self, section, frames):
        super().__init__(section.entry(), lambda: real_frame(
            gdb.newest_frame()) in frames)
        self.section = section


def entries():
    """Of the sections in this function and, for a step out of it, its caller.

    What they call runs at full speed, so there is nothing to do in it.
    """
    frame = real_frame(gdb.newest_frame())
    frames = [f for f in (frame, real_frame(frame.older())) if f is not None]
    ranges, names = [], []
    for pc in (f.pc() for f in frames):
        blocks = list(function_blocks(pc))
        if blocks:
            ranges.append((blocks[-1].start, blocks[-1].end))
        else:
            names.append((symbol(pc) or (None,))[0])
    return [Entry(s, frames) for s in sections()
            if any(first <= s.start < end for first, end in ranges) or
            names and (symbol(s.start) or ("",))[0] in names]


def step(command):
    """Do it, with a section as one step; whether it ended as steps do."""
    section = section_ahead(program_counter())
    if section is None and command == "stepi":
        gdb.execute(command)
        if not last_stop.by_step():
            return False
        section = section_around(program_counter())
    elif section is None:
        hit = run(command, entries())
        section = hit and hit.section
    return leave(section) if section else last_stop.by_step()


class LastStop:
    """Why the program was stopped last."""

    def __init__(self):
        self.event = None
        gdb.events.stop.connect(self.stopped)

    def stopped(self, event):
        self.event = event

    def by_step(self):
        """A step has come to its end; else a breakpoint, or a signal."""
        return gdb.selected_thread() is not None and not isinstance(
            self.event, (gdb.BreakpointEvent, gdb.SignalEvent))


class Rseq(gdb.Command):
    """Run restartable sequences: each of them is one step."""

    def __init__(self):
        super().__init__("rseq", gdb.COMMAND_RUNNING, prefix=True)


class RseqFinish(gdb.Command):
    """Run until the section that the thread is in commits, aborts or is left
by a branch.  The stop in it has interrupted it, so it aborts."""

    def __init__(self):
        super().__init__("rseq finish", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        need_thread()
        section = section_around(program_counter())
        if section is None:
            raise gdb.GdbError("rseq: the thread is in no section")
        leave(section)


class RseqStep(gdb.Command):
    """Like the command of gdb, but a section on the way runs at full speed to
its end, and counts as one step."""

    def __init__(self, command):
        super().__init__("rseq " + command, gdb.COMMAND_RUNNING)
        self.command = command

    def invoke(self, argument, from_tty):
        need_thread()
        for _ in range(int(gdb.parse_and_eval(argument or "1"))):
            if not step(self.command):
                break


# ---- what gdb itself does to a section that is stopped in ----

class Calls:
    """A call of the program's functions, as by print, disarms the section it
    was made in, which would then run on unprotected: arm it again."""

    def __init__(self):
        self.armed = {}
        gdb.events.inferior_call.connect(self.called)

    def called(self, event):
        try:
            if isinstance(event, gdb.InferiorCallPreEvent):
                section = section_around(program_counter())
                if section and section.armed():
                    self.armed[event.ptid] = Area().rseq_cs
            elif event.ptid in self.armed:
                Area().arm(self.armed.pop(event.ptid))
        except (gdb.error, gdb.GdbError):
            pass


last_stop = LastStop()
calls = Calls()
# To go on from a breakpoint, gdb may execute the instruction under it at some
# other place.  There the thread is outside of the section: it is disarmed.
gdb.execute("set displaced-stepping off")

InfoRseq()
InfoRseqSections()
Rseq()
RseqFinish()
for name in ("step", "next", "stepi"):
    RseqStep(name)
