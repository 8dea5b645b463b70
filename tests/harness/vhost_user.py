"""The inside of the guest's network card: QEMU hands us its queues (`-netdev vhost-user`) and shares the guest's memory, and what the card does is ours.

So the card can do what QEMU's other ones do not without root: leave checksums to either side, and break every rule there is.

    QEMU's docs/interop/vhost-user.rst (none of its extensions); VIRTIO 1.1, 2.6 (split queues), 5.1.6 (a network card's header)
"""
import array
import contextlib
import mmap
import os
import selectors
import socket
import struct
import threading

import ether

CHECKSUM, GUEST_CHECKSUM, GUEST_TSO4, GUEST_TSO6, MERGED_BUFFERS, VERSION_1 = 1 << 0, 1 << 1, 1 << 7, 1 << 8, 1 << 15, 1 << 32
SUMS = CHECKSUM | GUEST_CHECKSUM
LARGE = SUMS | GUEST_TSO4 | GUEST_TSO6 | MERGED_BUFFERS
NEEDS_CHECKSUM, IS_VALID = 1, 2  # a header's flags
HEADER = struct.Struct("<BBHHHHH")  # flags, segmentation, bytes of head, of a segment, checksum's start and offset, buffers
NEXT, WRITE, SILENT = 1, 2, 1
RECEIVE, TRANSMIT = 0, 1

# Requests of the protocol
GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR = 1, 2, 3, 5, 8, 9
SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 10, 11, 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 15, 16, 18
PROTOCOL_FEATURES = 1 << 30  # among the card's; without it QEMU 7.2 cannot enable a queue
VERSION, REPLY, NO_FD = 1, 4, 0x100
MEMORY_MIB = 512  # as ci/qemu.py has it


class Memory:
    """The guest's, in the regions that QEMU shares: by the guest's addresses, or by QEMU's own."""

    def __init__(self, table, fds):
        count, = struct.unpack_from("<I4x", table)
        self.regions = []
        for number, fd in zip(range(count), fds):
            guest, size, user, offset = struct.unpack_from("<4Q", table, 8 + 32 * number)
            self.regions.append((guest, user, size, offset, mmap.mmap(fd, offset + size)))
            os.close(fd)

    def place(self, address, size, which=0):
        """Memory and offset there; `which` is 0 for the guest's addresses, 1 for QEMU's."""
        for region in self.regions:
            if region[which] <= address and address + size <= region[which] + region[2]:
                return region[4], address - region[which] + region[3]
        raise ValueError(f"the card was given memory that there is none of: {address:#x}, {size} bytes")

    def read(self, address, size):
        memory, at = self.place(address, size)
        return memory[at:at + size]

    def write(self, address, data):
        memory, at = self.place(address, len(data))
        memory[at:at + len(data)] = data


class Queue:
    """One virtqueue of the card. Indices are read and written whole, since the guest runs beside us."""

    def __init__(self):
        self.size = self.available = self.used = 0
        self.kick = self.call = None
        self.is_running = self.is_enabled = False

    def open(self, memory, addresses):
        def words(address, size):
            region, at = memory.place(address, size, 1)
            return memoryview(region)[at:at + size].cast("H")
        self.memory = memory
        self.table = memoryview(words(addresses[0], 16 * self.size)).cast("B")
        self.used_words = words(addresses[1], 4 + 8 * self.size)
        self.available_words = words(addresses[2], 4 + 2 * self.size)
        self.used = self.used_words[1]

    def take(self):
        """The head of the next chain that the guest offers; None: there is none."""
        if not self.is_running or not self.is_enabled or self.available == self.available_words[1]:
            return None
        head = self.available_words[2 + self.available % self.size]
        self.available = (self.available + 1) & 0xffff
        return head

    def chain(self, head):
        """Its pieces: address, bytes, whether the card writes them."""
        pieces = []
        while True:
            address, size, flags, following = struct.unpack_from("<QIHH", self.table, 16 * head)
            pieces.append((address, size, bool(flags & WRITE)))
            if not flags & NEXT:
                return pieces
            if len(pieces) > self.size:
                raise ValueError("a chain without end")
            head = following

    def put(self, head, size):
        """Gives a chain back; the guest does not look before `announce`."""
        at = 2 + 4 * (self.used % self.size)
        for word, value in enumerate((head & 0xffff, head >> 16 & 0xffff, size & 0xffff, size >> 16 & 0xffff)):
            self.used_words[at + word] = value
        self.used = (self.used + 1) & 0xffff

    def announce(self):
        self.used_words[1] = self.used
        if not self.available_words[0] & SILENT:
            self.interrupt()

    def interrupt(self):
        if self.call is not None:
            os.write(self.call, struct.pack("<Q", 1))


class Card(ether.Wire):
    """The cable's other end is the card itself. What the guest leaves undone is finished here, as a card does, and noted in `left`; of what is
    sent, the checksums of TCP are left undone where the guest takes that. A thread serves QEMU; `lock` is held wherever queues are touched."""

    def __init__(self, folder, features=SUMS):
        super().__init__(folder)
        self.path = os.path.join(folder, "card")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen()
        self.offered, self.features = features | VERSION_1 | PROTOCOL_FEATURES, 0
        self.queues = [Queue(), Queue()]
        self.memory = None
        self.lock = threading.RLock()
        self.news = threading.Condition(self.lock)
        self.left = []  # of what the guest sent: header's fields and frame as they came, with NEEDS_CHECKSUM
        self.finished = 0
        self.starts = 0  # how often the guest has begun with the card
        self.is_deaf = False  # takes nothing that the guest sends
        self.mistake = None  # what the guest did that no driver may, or we
        self.ending = os.eventfd(0)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def qemu(self):
        # No vectors: without KVM QEMU 7.2 dies of a vhost device's MSI-X, whose state it keeps for KVM only.
        return [f"--qemu={option}" for option in (
            "-object", f"memory-backend-memfd,id=memory,size={MEMORY_MIB}M,share=on", "-machine", "memory-backend=memory",
            "-chardev", f"socket,id=card,path={self.path},reconnect=1", "-netdev", "vhost-user,id=net,chardev=card",
            "-device", "virtio-net-pci,netdev=net,vectors=0,romfile=")]

    def close(self):
        os.write(self.ending, struct.pack("<Q", 1))
        self.thread.join()
        self.listener.close()
        super().close()

    # ---- the thread: QEMU's requests, and the guest's frames

    def serve(self):
        try:
            with selectors.DefaultSelector() as self.selector:
                self.selector.register(self.ending, selectors.EVENT_READ)
                self.selector.register(self.listener, selectors.EVENT_READ, self.connected)
                while True:
                    for key, _ in self.selector.select():
                        if key.data is None:
                            return
                        with self.lock:
                            key.data(key.fileobj)
        except (OSError, ValueError) as error:
            with self.news:
                self.mistake = error
                self.news.notify_all()

    def connected(self, listener):
        self.qemu_socket, _ = listener.accept()
        self.selector.register(self.qemu_socket, selectors.EVENT_READ, self.requested)

    def requested(self, connection):
        data, ancillary, _, _ = connection.recvmsg(12, socket.CMSG_SPACE(8 * 4))
        if not data:
            self.disconnected()
            return
        fds = array.array("i")
        for level, kind, part in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(part[:len(part) - len(part) % fds.itemsize])
        request, _, size = struct.unpack("<III", data)
        answer = self.answer(request, connection.recv(size, socket.MSG_WAITALL) if size else b"", list(fds))
        if answer is not None:
            connection.sendall(struct.pack("<III", request, VERSION | REPLY, len(answer)) + answer)

    def disconnected(self):
        for queue in self.queues:
            self.queue_stop(queue)
        self.selector.unregister(self.qemu_socket)
        self.qemu_socket.close()

    def answer(self, request, payload, fds):
        """Does what QEMU asks; what it is told, or None."""
        number, = struct.unpack("<Q", payload) if len(payload) == 8 else (0,)
        index, value = number & 0xffffffff, number >> 32
        if request == GET_FEATURES:
            return struct.pack("<Q", self.offered)
        if request == SET_FEATURES:
            self.features = number
        elif request == GET_PROTOCOL_FEATURES:
            return struct.pack("<Q", 0)
        elif request == SET_VRING_ENABLE:
            self.queues[index].is_enabled = bool(value)
        elif request == SET_MEM_TABLE:
            self.memory = Memory(payload, fds)
        elif request == SET_VRING_NUM:
            self.queues[index].size = value
        elif request == SET_VRING_BASE:
            self.queues[index].available = value
        elif request == SET_VRING_ADDR:
            index, _, *addresses = struct.unpack("<II3Q8x", payload)
            self.queues[index].open(self.memory, addresses)
        elif request == GET_VRING_BASE:
            self.queue_stop(self.queues[index])
            return struct.pack("<II", index, self.queues[index].available)
        elif request in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
            self.queue_event(request, self.queues[number & 0xff], None if number & NO_FD else fds[0])
        elif request not in (SET_OWNER, SET_PROTOCOL_FEATURES):
            raise ValueError(f"QEMU asks what we do not know: {request}")
        return None

    def queue_event(self, request, queue, fd):
        if request == SET_VRING_CALL:
            if queue.call is not None:
                os.close(queue.call)
            queue.call = fd
            if queue.is_running:
                queue.interrupt()  # what was put before went to another one
        elif request == SET_VRING_KICK:
            os.set_blocking(fd, False)
            queue.kick, queue.is_running = fd, True
            self.starts += queue == self.queues[RECEIVE]
            self.news.notify_all()
            self.selector.register(fd, selectors.EVENT_READ, self.kicked)
        elif fd is not None:
            os.close(fd)

    def queue_stop(self, queue):
        queue.is_running = False
        if queue.kick is not None:
            self.selector.unregister(queue.kick)
            os.close(queue.kick)
        queue.kick = None

    def kicked(self, fd):
        with contextlib.suppress(BlockingIOError):
            if all(fd != queue.kick for queue in self.queues) or not os.read(fd, 8):
                return  # it was stopped meanwhile
        if fd == self.queues[TRANSMIT].kick and not self.is_deaf:
            self.frames_take()

    def frames_take(self):
        queue, count = self.queues[TRANSMIT], len(self.frames)
        while (head := queue.take()) is not None:
            pieces = queue.chain(head)
            if any(is_written for _, _, is_written in pieces):
                raise ValueError("the guest sends what it has the card write")
            self.frames.append(self.finish(b"".join(queue.memory.read(address, size) for address, size, _ in pieces)))
            queue.put(head, 0)
        if count != len(self.frames):
            queue.announce()
            self.news.notify_all()

    def finish(self, data):
        header, frame = HEADER.unpack_from(data), bytearray(data[HEADER.size:])
        flags, _, _, _, start, offset, _ = header
        if header[:4] != (flags, 0, 0, 0) or flags & ~NEEDS_CHECKSUM or (flags and not self.features & CHECKSUM):
            raise ValueError(f"the guest asks for what was not agreed upon: {header}")
        if flags & NEEDS_CHECKSUM:
            self.left.append((header, bytes(frame)))
            self.finished += 1
            ether.sum_finish(frame, start, offset)
        return bytes(frame)

    # ---- the test's side

    def wait(self, seconds):
        with self.news:
            self.news.wait_for(lambda: self.frames or self.mistake, seconds)
            if self.mistake:
                raise ValueError(f"the card: {self.mistake}")

    def wait_for_start(self, number):
        """The guest must have begun with the card more often than so."""
        with self.news:
            if not self.news.wait_for(lambda: self.starts > number or self.mistake, 20) or self.mistake:
                raise ValueError(f"the card is not begun with: {self.mistake}")

    def put(self, frame):
        head = (0, 0, 0)
        if self.features & GUEST_CHECKSUM:
            head, frame = ether.sum_leave(frame)
        flags, start, offset = head
        self.fill((flags, 0, 0, 0, start, offset, None), frame)

    def leave(self):
        """QEMU is left alone, and comes again: to the guest a cable that is drawn."""
        self.qemu_socket.shutdown(socket.SHUT_RDWR)

    def lie(self, number, *used):
        """Says that chains were used, which need not be so: their heads and lengths."""
        with self.lock:
            for head, size in used:
                self.queues[number].put(head, size)
            self.queues[number].announce()
            self.queues[number].interrupt()

    def jump(self, number, by):
        """A queue's index runs ahead."""
        with self.lock:
            self.queues[number].used = (self.queues[number].used + by) & 0xffff
        self.lie(number)

    def fill(self, header, frame, sizes=()):
        """Writes header and frame into the guest's next buffers, of the first ones so many bytes only; how many these are is said in the header where
        that has None."""
        rest = bytes(HEADER.size) + frame
        with self.lock:
            queue, pieces = self.queues[RECEIVE], []
            while rest:
                head = queue.take()
                if head is None:
                    queue.available = (queue.available - len(pieces)) & 0xffff
                    if not queue.is_running:
                        return  # as on a cable that nobody listens at
                    raise BlockingIOError
                (address, room, is_written), *more = queue.chain(head)
                if more or not is_written:
                    raise ValueError("an empty buffer of the guest is none")
                size = sizes[len(pieces)] if len(pieces) < len(sizes) else room
                pieces.append((head, address, rest[:size]))
                rest = rest[size:]
            if len(pieces) > 1 and not self.features & MERGED_BUFFERS:
                raise ValueError("the frame is too long for the guest's buffer")
            *fields, buffers = header
            head, address, first = pieces[0]
            pieces[0] = head, address, HEADER.pack(*fields, len(pieces) if buffers is None else buffers) + first[HEADER.size:]
            for head, address, piece in pieces:
                queue.memory.write(address, piece)
                queue.put(head, len(piece))
            queue.announce()
