#!/usr/bin/python3
"""Mosquitto with OpenSSL on target, its certificates from the file server: mosquitto_pub, mosquitto_sub and Paho's clients over TLS 1.2 and
1.3; who is not the one that a certificate must name is refused, on either side.

    tls.py --arch x86_64 --build-dir build/x86_64 --host-dir build/host
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "mqtt"), str(HERE)]
import paho_clients
import real_clients
from real_clients import expect, messages

PATIENCE = 60
GUESTS = (8883, 8884, 8885)  # everybody; who has a certificate; with an expired one of its own
CONFIGURATION = """
per_listener_settings true
persistence true
persistence_location /data/
autosave_on_changes true
autosave_interval 1

listener 8883
allow_anonymous true
cafile /etc/mosquitto/ca.crt
certfile /etc/mosquitto/server.crt
keyfile /etc/mosquitto/server.key

listener 8884
require_certificate true
use_identity_as_username true
acl_file /etc/mosquitto/acl
crlfile /etc/mosquitto/revoked
tls_version tlsv1.3
cafile /etc/mosquitto/ca.crt
certfile /etc/mosquitto/server-ec.crt
keyfile /etc/mosquitto/server-ec.key

listener 8885
allow_anonymous true
cafile /etc/mosquitto/ca.crt
certfile /etc/mosquitto/old.crt
keyfile /etc/mosquitto/old.key
"""


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


KEYS = {"ec": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "rsa": ("rsa:2048",)}


def authority(folder, name):
    openssl(folder, "req", "-x509", "-newkey", *KEYS["ec"], "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "30", "-subj", f"/CN={name}")


def certificate(folder, name, subject, key="ec", by="ca", days=30):
    openssl(folder, "req", "-newkey", *KEYS[key], "-nodes", "-keyout", f"{name}.key", "-out", "request", "-subj", f"/CN={subject}")
    openssl(folder, "x509", "-req", "-in", "request", "-CA", f"{by}.crt", "-CAkey", f"{by}.key", "-CAcreateserial", "-out", f"{name}.crt",
            "-days", str(days), "-extfile", "names")


def certificates(folder):
    """ca.crt, and server.crt with server.key, of this host's loopback."""
    pathlib.Path(folder, "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    authority(folder, "ca")
    certificate(folder, "server", "localhost", "rsa")


def more_certificates(folder):
    authority(folder, "stranger")
    certificate(folder, "server-ec", "localhost")
    certificate(folder, "old", "localhost", days=-1)
    certificate(folder, "anna", "anna")
    certificate(folder, "otto", "otto", "rsa")
    certificate(folder, "late", "anna", days=-1)
    certificate(folder, "lost", "anna")
    certificate(folder, "forged", "anna", by="stranger")
    pathlib.Path(folder, "index").write_text("")
    pathlib.Path(folder, "ca.conf").write_text("[ca]\ndefault_ca=own\n[own]\ndatabase=index\ndefault_md=sha256\ndefault_crl_days=30\n")
    own = ("ca", "-config", "ca.conf", "-cert", "ca.crt", "-keyfile", "ca.key")
    openssl(folder, *own, "-revoke", "lost.crt")
    openssl(folder, *own, "-gencrl", "-out", "revoked")


class Client(real_clients.Broker):
    """The broker as who has these files, and speaks this version of TLS only, sees it."""

    def __init__(self, port, folder, authority="ca", name=None, version=None):
        self.port, self.environment, self.extra = str(port), [], ["--cafile", os.path.join(folder, f"{authority}.crt")]
        if name:
            self.extra += ["--cert", os.path.join(folder, f"{name}.crt"), "--key", os.path.join(folder, f"{name}.key")]
        if version:  # --tls-version is the least that is taken
            path = pathlib.Path(folder, version)
            path.write_text(f"openssl_conf=a\n[a]\nssl_conf=b\n[b]\nsystem_default=c\n[c]\nMinProtocol={version}\nMaxProtocol={version}\n")
            self.environment = ["env", f"OPENSSL_CONF={path}"]

    def arguments(self, program, *arguments):
        return [*self.environment, *super().arguments(program, *self.extra, *arguments)]

    def refusal(self):
        """What mosquitto_pub says; nothing when it was let in."""
        words = self.arguments("mosquitto_pub", "-q", "1", "-t", "house/door", "-m", "m", "-d")
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        return done.stdout if done.returncode else ""


def everybody(port, folder):
    """Each level in both versions of TLS, at both ends."""
    for version in ("TLSv1.2", "TLSv1.3"):
        sender = receiver = Client(port, folder, version=version)
        for qos in "012":
            subscriber = receiver.subscribe("-q", qos, "-t", "over/tls", "-C", "2")
            for text in (f"by {version}", "x" * 40000):
                sender.publish("-q", qos, "-t", "over/tls", "-m", text)
            expect(f"{version}, QoS {qos}", messages(subscriber), [f"over/tls|{qos}|0|by {version}", f"over/tls|{qos}|0|{'x' * 40000}"])
    expect("an authority that did not sign", "certificate verify failed" in Client(port, folder, "stranger").refusal(), True)
    plain = real_clients.Broker.arguments(Client(port, folder), "mosquitto_pub", "-t", "t", "-m", "m")
    expect("without TLS", subprocess.run(plain, stderr=subprocess.PIPE, timeout=PATIENCE).returncode != 0, True)


def with_certificates(port, folder, broker):
    """Who may come in is known by a certificate, and is the user of that name."""
    anna, otto = Client(port, folder, name="anna", version="TLSv1.3"), Client(port, folder, name="otto")
    subscriber = otto.subscribe("-q", "1", "-t", "#", "-C", "1")
    otto.publish("-q", "1", "-t", "house/door", "-m", "of one who may not")
    anna.publish("-q", "1", "-t", "house/door", "-m", "open")
    expect("users by certificate", messages(subscriber), ["house/door|1|0|open"])
    for who, name, logged in (("nobody", None, "peer did not return a certificate"), ("one of another authority", "forged", "certificate verify failed"),
                              ("one whose time is over", "late", "certificate verify failed"), ("one that was revoked", "lost", "certificate verify failed")):
        before = broker.said().count(logged)
        expect(f"{who} is refused", Client(port, folder, name=name).refusal() != "", True)
        broker.wait_for(logged, before + 1)
    expect("TLS 1.2 where 1.3 is asked for", Client(port, folder, name="anna", version="TLSv1.2").refusal() != "", True)
    expect("and anna is let in", anna.refusal(), "")


def check(options):
    import broker as target
    with tempfile.TemporaryDirectory(prefix="mosquitto-") as folder:
        etc, image = os.path.join(folder, "etc"), os.path.join(folder, "data.img")
        os.mkdir(etc)
        certificates(etc)
        more_certificates(etc)
        pathlib.Path(etc, "mosquitto.conf").write_text(CONFIGURATION)
        (pathlib.Path(etc) / "acl").write_text((HERE / "etc" / "acl").read_text())
        target.disk.create(image, 32 << 20, 32 << 20)
        broker = target.Machine(options, image, etc, guests=GUESTS)
        try:
            everybody(broker.ports[0], etc)
            paho_clients.check(broker.ports[0], "mqttv5", os.path.join(etc, "ca.crt"))
            with_certificates(broker.ports[1], etc, broker)
            expect("the broker's certificate has expired", "certificate verify failed" in Client(broker.ports[2], etc).refusal(), True)
        except BaseException:
            print(broker.said()[-3000:])
            raise
        finally:
            broker.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=("x86_64", "arm64"), required=True)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--host-dir", required=True)
    options = parser.parse_args()
    options.tls = True
    check(options)


if __name__ == "__main__":
    main()
