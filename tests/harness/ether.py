"""A host of our own at the other end of the guest's network card: Ethernet frames made and read by hand, over QEMU's `-netdev dgram`.

What it answers by itself: ARP, neighbour solicitations, DHCP. Everything else is the test's: it may send what no honest host would.

    RFC 791 IPv4, RFC 826 ARP, RFC 2131 DHCP, RFC 4443 ICMPv6, RFC 4861 ND, RFC 8200 IPv6, RFC 9293 TCP, RFC 2018 SACK, RFC 7323 window scale
"""
import collections
import os
import select
import socket
import struct
import subprocess
import time

MAC = bytes.fromhex("020000000001")
BROADCAST = b"\xff" * 6
IP4, ARP, IP6 = 0x0800, 0x0806, 0x86dd
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def address(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pseudo_header(source, target, protocol, length):
    if len(source) == 4:
        return source + target + struct.pack("!BBH", 0, protocol, length)
    return source + target + struct.pack("!IHBB", length, 0, 0, protocol)


def with_checksum(source, target, protocol, data, at):
    """`data` with the checksum of TCP, UDP or ICMPv6 put at its place."""
    value = checksum(pseudo_header(source, target, protocol, len(data)) + data)
    return data[:at] + struct.pack("!H", value) + data[at + 2:]


def transport(frame):
    """Of a whole frame without extension headers: its protocol, where that begins, its pseudo header; or None."""
    if frame[12:15] == b"\x08\0\x45" and len(frame) >= 34 and frame[20] & 0x3f == 0 and frame[21] == 0:
        return frame[23], 34, pseudo_header(frame[26:30], frame[30:34], frame[23], len(frame) - 34)
    if frame[12:14] == b"\x86\xdd" and len(frame) >= 54:
        return frame[20], 54, pseudo_header(frame[22:38], frame[38:54], frame[20], len(frame) - 54)
    return None


def sum_leave(frame):
    """A frame's checksum of TCP, when it is right, left to who receives it (VIRTIO 1.1, 5.1.6.2): flags, start and offset; the frame."""
    protocol, start, pseudo = transport(frame) or (0, 0, b"")
    if protocol != TCP or checksum(pseudo + frame[start:]) != 0 or len(frame) < start + 20:
        return (0, 0, 0), frame
    return (1, start, 16), frame[:start + 16] + struct.pack("!H", ~checksum(pseudo) & 0xffff) + frame[start + 18:]


def sum_finish(frame, start, offset):
    """What was left undone, in a bytearray."""
    if start + offset + 2 > len(frame):
        raise ValueError(f"a checksum outside of its frame: {start}, {offset}")
    frame[start + offset:start + offset + 2] = struct.pack("!H", checksum(bytes(frame[start:])) or 0xffff)


def ip4(source, target, protocol, payload, ident=0, fragment=0, ttl=64, options=b""):
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, words * 4 + len(payload), ident, fragment, ttl, protocol, 0, source, target) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ip6(source, target, protocol, payload, hops=64):
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + source + target + payload


def tcp(source, target, ports, seq, ack, flags, payload=b"", window=65535, options=b""):
    options += b"\0" * (-len(options) % 4)
    head = struct.pack("!HHIIBBHHH", *ports, seq & 0xffffffff, ack & 0xffffffff, (5 + len(options) // 4) << 4, flags, window, 0, 0)
    return with_checksum(source, target, TCP, head + options + payload, 16)


def udp(source, target, ports, payload):
    return with_checksum(source, target, UDP, struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload, 6)


def echo_request(payload, ident=1, sequence=1):
    data = struct.pack("!BBHHH", 8, 0, 0, ident, sequence) + payload
    return data[:2] + struct.pack("!H", checksum(data)) + data[4:]


class Segment:
    """One TCP segment that came."""

    def __init__(self, source, target, data):
        self.source, self.target = source, target
        self.ports = struct.unpack("!HH", data[:4])
        self.seq, self.ack, offset, self.flags, self.window = struct.unpack("!IIBBH", data[4:16])
        self.payload = data[(offset >> 4) * 4:]
        self.is_good = checksum(pseudo_header(source, target, TCP, len(data)) + data) == 0
        self.options = dict(self.options_of(data[20:(offset >> 4) * 4]))

    @classmethod
    def of(cls, packet):
        """Of a packet of either version; None: it is not TCP's."""
        if packet[0] >> 4 == 4:
            end, = struct.unpack("!H", packet[2:4])
            return cls(packet[12:16], packet[16:20], packet[20:end]) if packet[9] == TCP else None
        return cls(packet[8:24], packet[24:40], packet[40:]) if packet[6] == TCP else None

    @staticmethod
    def options_of(data):
        while data and data[0] != 0:
            length = 1 if data[0] == 1 else data[1]
            yield data[0], data[2:length]
            data = data[length:]


class Wire:
    """The cable. The guest asks for an address as soon as it is up; `guest4` is the one it gets."""

    own4, guest4 = address("10.0.0.1"), address("10.0.0.2")
    own6 = address("fe80::1")

    def __init__(self, folder):
        self.near, self.far = os.path.join(folder, "near"), os.path.join(folder, "far")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.near)
        self.socket.setblocking(False)
        self.frames = collections.deque()
        self.guest_mac = BROADCAST
        self.guest6 = None
        self.is_plugged = True
        self.neighbours = {self.own4, self.own6}  # whom it answers for
        self.prefix = None  # of 64 bits: what a router says when it is asked

    def qemu(self):
        netdev = f"dgram,id=net,local.type=unix,local.path={self.far},remote.type=unix,remote.path={self.near}"
        return ["--qemu=-netdev", f"--qemu={netdev}", "--qemu=-device", "--qemu=virtio-net-pci,netdev=net,romfile="]

    # ---- sending

    def frame(self, kind, packet, target=None):
        frame = (target or self.guest_mac) + MAC + struct.pack("!H", kind) + packet
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                self.put(frame)
                return
            except BlockingIOError:
                self.wait(0.01)  # QEMU may be waiting for us to read
            except (FileNotFoundError, ConnectionRefusedError):
                return  # as on a cable that nobody listens at
        raise OSError("the cable is stuck")

    def packet(self, packet):
        self.frame(IP4 if packet[0] >> 4 == 4 else IP6, packet)

    # ---- receiving

    def put(self, frame):
        self.socket.sendto(frame, self.far)

    def take(self):
        return self.socket.recv(65536)

    def close(self):
        self.socket.close()

    def wait(self, seconds):
        """Takes in what comes."""
        if select.select([self.socket], [], [], seconds)[0]:
            self.frames.append(self.take())

    def next_frame(self, seconds):
        """None: nothing came in time."""
        if not self.frames:
            self.wait(max(seconds, 0))
        return self.frames.popleft() if self.frames else None

    def receive(self, seconds):
        """The next packet of IPv4 or IPv6; what lies below it is answered. None: nothing came in time."""
        deadline = time.monotonic() + seconds
        while True:
            frame = self.next_frame(deadline - time.monotonic())
            if not frame:
                return None
            kind, = struct.unpack("!H", frame[12:14])
            packet = frame[14:]
            if kind == ARP:
                self.arp(packet)
            elif kind == IP4 and packet[9] == UDP and packet[22:24] == b"\0\x43":
                self.dhcp(packet[28:])
            elif kind == IP6 and packet[6] == ICMP6 and packet[40] in (133, 135):
                self.neighbour(packet)
            elif kind in (IP4, IP6):
                return packet

    def arp(self, packet):
        operation, = struct.unpack("!H", packet[6:8])
        sender, target = packet[14:18], packet[24:28]
        if operation == 1 and target in self.neighbours:
            self.frame(ARP, packet[:6] + b"\0\2" + MAC + target + packet[8:14] + sender, packet[8:14])
        if sender == self.guest4:
            self.guest_mac = packet[8:14]

    def dhcp(self, request):
        options, at, kind = {53: b"\2", 54: self.own4, 51: struct.pack("!I", 86400), 1: address("255.255.255.0"), 3: self.own4, 6: self.own4}, 240, 1
        while request[at] != 255:
            if request[at] == 53:
                kind = request[at + 2]
            at += 2 + request[at + 1]
        options[53] = b"\2" if kind == 1 else b"\5"
        self.guest_mac = request[28:34]
        answer = b"\2\1\6\0" + request[4:8] + b"\0" * 8 + self.guest4 + self.own4 + b"\0" * 4 + request[28:44] + b"\0" * 192 + request[236:240]
        answer += b"".join(bytes((number, len(value))) + value for number, value in options.items()) + b"\xff"
        self.packet(ip4(self.own4, self.guest4, UDP, udp(self.own4, self.guest4, (67, 68), answer)))

    def neighbour(self, packet):
        source, target = packet[8:24], packet[48:64]
        if packet[40] == 135 and source == b"\0" * 16 and target[:2] == b"\xfe\x80":
            self.guest6 = target  # it looks whether somebody else has it
        if packet[40] == 135 and target in self.neighbours:
            data = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + target + b"\2\1" + MAC
            self.packet(ip6(target, source, ICMP6, with_checksum(target, source, ICMP6, data, 2), 255))
        if packet[40] == 133 and self.prefix:
            everybody = address("ff02::1")
            about = b"\3\4" + struct.pack("!BBIII", 64, 0xc0, 86400, 86400, 0) + self.prefix  # RFC 4861, 4.6.2: on this cable, and for addresses
            data = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + b"\1\1" + MAC + about
            self.frame(IP6, ip6(self.own6, everybody, ICMP6, with_checksum(self.own6, everybody, ICMP6, data, 2), 255), b"\x33\x33\0\0\0\1")


class Tap(Wire):
    """A cable whose other end is an interface of this host, which has to be root's: QEMU then offers that checksums are left to it, both ways
    (virtio 1.1, 5.1.6.2). What the guest leaves undone is finished here, as a card would; of what is sent, TCP's are left undone, too."""

    interface, vnet_header = "tessera0", 15  # linux/if_packet.h: PACKET_VNET_HDR
    finished = 0

    def __init__(self, folder):
        super().__init__(folder)
        subprocess.run(["ip", "tuntap", "add", "dev", self.interface, "mode", "tap"], check=True)
        with open(f"/proc/sys/net/ipv6/conf/{self.interface}/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")  # nobody but us is there
        subprocess.run(["ip", "link", "set", self.interface, "up"], check=True)
        self.socket.close()
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((self.interface, 0))
        self.socket.setsockopt(263, self.vnet_header, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE: a cable loses nothing when its reader is late
        self.socket.setblocking(False)

    def close(self):
        super().close()
        subprocess.run(["ip", "link", "del", self.interface], check=True)

    def qemu(self):
        return ["--qemu=-netdev", f"--qemu=tap,id=net,ifname={self.interface},script=no,downscript=no,vhost=off", "--qemu=-device",
                "--qemu=virtio-net-pci,netdev=net,romfile="]

    def put(self, frame):
        (flags, start, offset), data = sum_leave(frame)
        self.socket.send(struct.pack("<BBHHHH", flags, 0, 0, 0, start, offset) + data)

    def take(self):
        data, sender = self.socket.recvfrom(65536)
        if sender[2] == socket.PACKET_OUTGOING:
            return bytes(14)
        flags, start, offset = struct.unpack("<B5xHH", data[:10])
        frame = bytearray(data[10:])
        if flags & 1:
            self.finished += 1
            sum_finish(frame, start, offset)
        return bytes(frame)


class Peer:
    """One end of a TCP connection, which does only what it is told."""

    ports_used = 20000

    def __init__(self, wire, port, version=4, source=None, window=65535):
        Peer.ports_used += 1
        self.wire, self.window = wire, window
        self.ports = (Peer.ports_used, port)
        self.source = source or (wire.own4 if version == 4 else wire.own6)
        self.target = wire.guest4 if version == 4 else wire.guest6
        self.seq, self.ack = 1000, 0
        self.options = {}
        self.got = bytearray()
        self.arrived = {}

    def segment(self, flags, payload=b"", seq=None, ack=None, options=b"", window=None):
        """Built, not sent."""
        data = tcp(self.source, self.target, self.ports, self.seq if seq is None else seq, self.ack if ack is None else ack, flags,
                   payload, self.window if window is None else window, options)
        return (ip4 if len(self.source) == 4 else ip6)(self.source, self.target, TCP, data)

    def send(self, flags, payload=b"", **what):
        self.wire.packet(self.segment(flags, payload, **what))

    def receive(self, seconds=1.0, wanted=lambda segment: True):
        """The next segment of this connection that is wanted."""
        deadline = time.monotonic() + seconds
        while (packet := self.wire.receive(deadline - time.monotonic())) is not None:
            segment = Segment.of(packet)
            if not segment:
                continue
            if not segment.is_good:
                raise ValueError("a segment of the guest has a wrong checksum")
            if segment.ports == self.ports[::-1] and segment.target == self.source and wanted(segment):
                return segment
        return None

    def syn(self, options=b"\2\4\5\xb4\4\2\1\3\3\7"):
        """SYN: MSS 1460, SACK permitted, window scale 7."""
        self.send(SYN, options=options)
        answer = self.receive(3, lambda segment: segment.flags & (SYN | RST))
        if answer and answer.flags & SYN:
            self.seq, self.ack, self.options = self.seq + 1, answer.seq + 1, answer.options
        return answer

    def open(self):
        answer = self.syn()
        if not answer or not answer.flags & SYN:
            return False
        self.send(ACK)
        return True

    def take(self, count, seconds=5.0, acknowledge=True):
        """Bytes in order, however they come; each segment is acknowledged."""
        deadline = time.monotonic() + seconds
        while len(self.got) < count and (segment := self.receive(deadline - time.monotonic())):
            if segment.flags & (RST | FIN) and not segment.payload:
                break
            if segment.payload:
                self.arrived[segment.seq] = segment.payload
            while self.ack in self.arrived:
                data = self.arrived.pop(self.ack)
                self.got += data
                self.ack = (self.ack + len(data)) & 0xffffffff
            if segment.payload and acknowledge:
                self.send(ACK)
        data, self.got = bytes(self.got[:count]), self.got[count:]
        return data

    def write(self, data):
        for at in range(0, len(data), 1400):
            self.send(ACK | PSH, data[at:at + 1400])
            self.seq += len(data[at:at + 1400])


class Stream(Peer):
    """A connection with a socket's methods, for tests that need many at a time: what is lost it sends again. `takes`: so many bytes it reads, and
    then no more (None: all); `is_mute`: of what comes it acknowledges nothing."""

    AGAIN = 1.0  # seconds until something is sent again

    def __init__(self, host, port, version=4, takes=None, is_mute=False, mss=1460, seconds=10.0, begun=None):
        """`begun`: the guest's SYN, when it is the one who connects."""
        super().__init__(host.wire, port, version)
        self.host, self.takes, self.is_mute, self.mss, self.seconds = host, takes, is_mute, mss, seconds
        self.is_open = self.is_ended = self.is_reset = self.has_left = False
        self.out, self.sent, self.acknowledged, self.room, self.taken = bytearray(), 0, self.seq, 0, 0
        self.heard_at, self.begun = time.monotonic(), begun
        if begun:
            self.ports, self.source, self.target, self.ack = begun.ports[::-1], begun.target, begun.source, begun.seq + 1
        host.streams[self.ports] = self
        self.begin()

    def begin(self):
        options = struct.pack("!BBH", 2, 4, self.mss)
        if self.begun:
            self.say(SYN | ACK, options=options, seq=self.acknowledged)
        else:
            self.say(SYN, options=options)

    def say(self, flags, payload=b"", **what):
        self.window = 65535 if self.takes is None else max(0, min(65535, self.takes - self.taken))
        self.send(flags, payload, **what)

    # ---- what comes

    def hear(self, segment):
        if segment.flags & RST:
            self.is_reset = True
            return
        if not self.is_open and segment.flags & (SYN | ACK) and bool(segment.flags & SYN) != bool(self.begun):
            if not self.begun:
                self.ack = segment.seq + 1
            self.seq += 1
            self.is_open, self.acknowledged, self.room = True, self.seq, segment.window
        if segment.flags & SYN:
            self.begin() if self.begun else self.say(ACK)
        elif self.is_open:
            self.acknowledgement(segment)
            if (segment.payload or segment.flags & FIN) and not self.is_mute:
                self.data(segment)
        self.push()

    def acknowledgement(self, segment):
        self.room = segment.window
        count = (segment.ack - self.acknowledged) % 2**32
        if 0 < count <= len(self.out) + self.has_left:
            del self.out[:count]
            self.acknowledged += count
            self.sent = max(self.sent - count, 0)
            self.heard_at = time.monotonic()

    def data(self, segment):
        self.arrived[segment.seq] = segment
        while next_one := self.arrived.pop(self.ack, None):
            room = len(next_one.payload) if self.takes is None else self.takes - self.taken
            part = next_one.payload[:max(room, 0)]
            self.got += part
            self.taken += len(part)
            self.ack = (self.ack + len(part)) & 0xffffffff
            if next_one.flags & FIN and len(part) == len(next_one.payload):
                self.is_ended = True
                self.ack += 1
            elif not part:
                break
        self.say(ACK)

    # ---- what goes

    def push(self):
        while self.is_open and self.sent < min(len(self.out), self.room):
            part = bytes(self.out[self.sent:min(self.sent + 1400, self.room)])
            self.say(ACK | PSH, part, seq=self.acknowledged + self.sent)
            self.sent += len(part)
            self.seq = self.acknowledged + self.sent

    def look(self, now):
        """Something may have been lost."""
        if now - self.heard_at < self.AGAIN or self.is_reset:
            return
        self.heard_at = now
        if not self.is_open:
            self.begin()
        elif self.out:
            part = bytes(self.out[:max(1, min(1400, self.room))])
            self.say(ACK | PSH, part, seq=self.acknowledged)
        elif self.has_left:
            self.say(FIN | ACK, seq=self.acknowledged)

    # ---- a socket's

    def settimeout(self, seconds):
        self.seconds = seconds

    def setsockopt(self, *_):
        pass

    def until(self, condition):
        deadline = time.monotonic() + self.seconds
        while not condition():
            if self.is_reset:
                raise ConnectionResetError(f"port {self.ports[1]}: reset")
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"port {self.ports[1]}: nothing happens for {self.seconds:.0f} s")
            self.host.turn(min(left, 0.1))

    def put(self, data):
        """Does not wait."""
        self.out += data
        self.heard_at = time.monotonic()
        self.push()

    def sendall(self, data):
        self.put(data)
        self.until(lambda: len(self.out) < 16000)

    def recv(self, count):
        self.until(lambda: self.got or self.is_ended)
        data, self.got = bytes(self.got[:count]), self.got[count:]
        return data

    def close(self):
        self.until(lambda: not self.out)
        self.say(FIN | ACK)
        self.seq += 1
        self.has_left = True
        self.until(lambda: self.is_ended or self.is_reset)
        del self.host.streams[self.ports]

    def reset(self):
        self.send(RST | ACK)
        self.host.streams.pop(self.ports, None)


class Host:
    """All streams of one host on the cable. `listens`: who takes a connection that the guest opens to that port."""

    def __init__(self, wire):
        self.wire, self.streams, self.listens, self.looked_at = wire, {}, {}, 0.0

    def turn(self, seconds):
        """One packet, if one comes in time, goes to whom it is for."""
        packet = self.wire.receive(seconds)
        if packet and packet[9 if packet[0] >> 4 == 4 else 6] == TCP:
            self.segment(packet)
        now = time.monotonic()
        if now - self.looked_at > 0.1:
            self.looked_at = now
            for stream in list(self.streams.values()):
                stream.look(now)

    def segment(self, packet):
        version = packet[0] >> 4
        data = packet[20:struct.unpack("!H", packet[2:4])[0]] if version == 4 else packet[40:]
        source, target = (packet[12:16], packet[16:20]) if version == 4 else (packet[8:24], packet[24:40])
        segment = Segment(source, target, data)
        if not segment.is_good:
            raise ValueError("a segment of the guest has a wrong checksum")
        stream = self.streams.get(segment.ports[::-1])
        if stream:
            stream.hear(segment)
        elif segment.flags & SYN and segment.ports[1] in self.listens:
            self.listens[segment.ports[1]](segment)
        elif segment.flags & ACK and not segment.flags & RST:  # of no connection, or of one that was reset
            reset = tcp(target, source, segment.ports[::-1], segment.ack, 0, RST)
            self.wire.packet((ip4 if version == 4 else ip6)(target, source, TCP, reset))

    def wait(self, seconds):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.turn(min(left, 0.1))

    def opened(self, streams, seconds):
        """How many of them are open by then."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not all(stream.is_open or stream.is_reset for stream in streams):
            self.turn(0.05)
        return sum(stream.is_open for stream in streams)
