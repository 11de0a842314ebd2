#!/usr/bin/env python3
"""Brokers behind TLS and passwords: what connects, and how each thing that somebody has to mend is said."""
import os
import shutil
import subprocess
import sys
from signal import SIGCONT, SIGSTOP

from fabric import SIGTERM, WEFT, FabricTest, events, free_port, main, sessions, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
PASSING = "broker-unreachable"
PERMANENT = "broker-refused"


class SecurityTest(FabricTest):
    """A fabric whose commands know an authority and, unless told otherwise, show the certificate of host-a."""

    def setUp(self):
        super().setUp()
        self.certificates = self.fabric.path("certificates")
        os.mkdir(self.certificates)
        subprocess.run(["sh", os.path.join(HERE, "..", "support", "certificates.sh"), self.certificates], check=True)
        self.fabric.scheme, self.fabric.host = "mqtts", "localhost"
        self.fabric.env["WEFT_CA"] = self.certificate("ca")

    def certificate(self, name, kind="crt"):
        return os.path.join(self.certificates, f"{name}.{kind}")

    def start_tls_broker(self, name="broker", more="allow_anonymous true\n"):
        self.fabric.start_broker(f"{more}cafile {self.certificate('ca')}\ncertfile {self.certificate(name)}\n"
                                 f"keyfile {self.certificate(name, 'key')}\n")

    def showing(self, name):
        return {"WEFT_CERT": self.certificate(name), "WEFT_KEY": self.certificate(name, "key")}

    def secret(self, text, mode=0o600):
        path = self.fabric.path(f"secret-{text}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.chmod(path, mode)
        return path


class Transport(SecurityTest):
    def expect_refused(self, *parts, url=None, env=None):
        """Of a publisher and a subscriber that would wait for long, and of a node, which stays."""
        url = url or self.fabric.url
        pub = self.fabric.spawn("pub", [WEFT, "pub", "--broker", url, "--timeout", "1000", "session_start",
                                        "session_id=s"], env=env)
        sub = self.fabric.spawn("sub", [WEFT, "sub", "--broker", url], env=env)
        node = self.fabric.start_node(f"node-{len(self.fabric.processes)}", "--broker", url, "--drain-timeout", "0",
                                      env=env)
        for process in pub, sub:
            self.assertEqual(process.wait(), 3, process.err())
        wait_for(lambda: PERMANENT in node.err(), "the node says so")
        for process in pub, sub, node:
            for part in parts:
                self.assertIn(part, process.err())
        self.assertEqual(node.err().count(PERMANENT), 1)
        node.signal(SIGTERM)
        self.assertEqual(node.wait(), 0)

    def test_events_cross_a_broker_with_certificates_on_both_sides(self):
        self.start_tls_broker(more="allow_anonymous true\nrequire_certificate true\n")
        self.fabric.env.update(self.showing("client"))
        self.fabric.start_up("host-a")
        sub = self.fabric.start_sub("--topic", "session", "--topic", "system")
        self.expect(self.fabric.weft("pub", "--node", "host-a", "session_start", "session_id=s1"), 0)
        wait_for(lambda: [event["sessionId"] for event in events(sub)] == ["s1"], "the event arrives")

    def test_another_authority_is_named(self):
        self.start_tls_broker()
        self.expect_refused("not vouched for", "other.crt", env={"WEFT_CA": self.certificate("other")})

    def test_an_expired_certificate_is_named_with_its_date(self):
        self.start_tls_broker("expired")
        self.expect_refused("has expired on 20", "renew")

    def test_a_certificate_for_another_host_is_named(self):
        self.start_tls_broker()
        self.expect_refused("for another host (localhost)", url=f"mqtts://127.0.0.1:{self.fabric.port}")

    def test_a_missing_client_certificate_is_asked_for(self):
        self.start_tls_broker(more="allow_anonymous true\nrequire_certificate true\n")
        self.expect_refused("wants a client certificate")

    def test_a_client_certificate_of_another_authority_is_named(self):
        self.start_tls_broker(more="allow_anonymous true\nrequire_certificate true\n")
        self.expect_refused("does not accept our certificate", "foreign.crt", env=self.showing("foreign"))

    def test_plain_behind_mqtts_and_tls_behind_mqtt_are_told(self):
        self.fabric.start_broker()
        self.expect_refused("without TLS", "use mqtt://")
        self.fabric.broker.kill()
        self.start_tls_broker()
        self.expect_refused("speaks TLS", "use mqtts://", url=f"mqtt://localhost:{self.fabric.port}",
                            env={"WEFT_CA": ""})

    def test_an_absent_broker_is_a_passing_fault(self):
        node = self.fabric.start_node("host-a")
        wait_for(lambda: PASSING in node.err(), "the node says so")
        self.start_tls_broker()
        self.fabric.wait_connected(node)
        self.assertNotIn(PERMANENT, node.err())


class Login(SecurityTest):
    def setUp(self):
        super().setUp()
        users = self.fabric.path("users")
        subprocess.run(["mosquitto_passwd", "-b", "-c", users, "ana", "secret"], check=True)
        self.start_tls_broker(more=f"allow_anonymous false\npassword_file {users}\n")

    def publish(self, *words, **env):
        self.fabric.env.update(env)
        return self.fabric.weft("pub", "--broker", self.fabric.url, "--timeout", "100", *words, "session_start",
                                "session_id=s")

    def test_a_password_comes_from_a_file_or_the_environment(self):
        self.expect(self.publish("--user", "ana", "--password-file", self.secret("secret")), 0)
        self.expect(self.publish(WEFT_USER="ana", WEFT_PASSWORD_FILE=self.secret("secret")), 0)
        self.expect(self.publish(WEFT_PASSWORD="secret"), 0)
        self.expect(self.publish("--password-file", self.secret("other")), 3, "password")

    def test_a_password_file_that_others_may_read_is_refused(self):
        path = self.secret("secret", 0o644)
        self.expect(self.publish("--user", "ana", "--password-file", path), 2, path, "0644", "chmod 600")
        key = self.certificate("client", "key")
        os.chmod(key, 0o604)
        self.expect(self.publish("--cert", self.certificate("client"), "--key", key), 2, key, "0604")

    def test_a_password_is_never_shown(self):
        process = self.fabric.spawn("node", [WEFT, "node", "--broker", self.fabric.url, "--node", "host-a"],
                                    env={"WEFT_USER": "ana", "WEFT_PASSWORD": "hush-hush"})
        wait_for(lambda: PERMANENT in process.err(), "it is refused")
        self.assertIn("password", process.err())
        self.assertNotIn("hush", process.err() + process.out())
        with open(f"/proc/{process.child.pid}/cmdline", encoding="utf-8") as file:
            self.assertNotIn("hush", file.read())


class AccessTest(SecurityTest):
    """A broker as `weft acl` sets it up: with its configuration, its rules, and its passwords."""

    users = ["host-a", "host-b", "listener=ops", "tap=web", "publisher=ci"]

    def setUp(self):
        super().setUp()
        self.directory = self.fabric.path("weft")
        os.mkdir(self.directory)
        for name in "ca.crt", "broker.crt", "broker.key":
            shutil.copy(os.path.join(self.certificates, name), self.directory)

    def generate(self, *words):
        result = self.fabric.weft("acl", "gen", "--dir", self.directory, *words)
        self.expect(result, 0)
        return result.stdout.decode()

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def start_access_broker(self, *rules, more=""):
        self.write("acl", self.generate(*(rules or self.users)))
        self.give_passwords(self.generate("--passwd", *self.users))
        settings = self.generate("--conf").replace("listener 8883\n", "")
        self.fabric.start_broker(settings.replace("listener 8884", f"{more}\nlistener {free_port()} 127.0.0.1"))

    def give_passwords(self, commands):
        """Types each twice. From a pipe a program reads more than its own lines, so each gets a pipe of its own."""
        lines = commands.splitlines()
        for number, name in enumerate(self.names()):
            asking = [line for line in lines if line.startswith("mosquitto_passwd")][number]
            script = "\n".join([line for line in lines if not line.startswith("mosquitto_passwd")] + [asking])
            subprocess.run(["sh", "-c", script], input=f"{name}-secret\n".encode() * 2, check=True, timeout=30,
                           capture_output=True)

    def names(self):
        return [user.split("=")[-1] for user in self.users]

    def login(self, name):
        return {"WEFT_USER": name, "WEFT_PASSWORD": f"{name}-secret"}

    def start_node_as(self, name, *words, login=None):
        node = self.fabric.start_node(name, *words, env=self.login(login or name))
        self.fabric.wait_connected(node)
        return node

    def publish_through(self, node, count, start=0):
        feeder = self.fabric.feeder(self.fabric.socket_of(node))
        for number in range(start, start + count):
            feeder.send({"type": "session_start", "sessionId": f"s{number}"})
        feeder.flush()

    def tool(self, program, name, *words):
        """One of Mosquitto's own clients, logged in."""
        return [program, "-h", "localhost", "-p", str(self.fabric.port), "--cafile", self.certificate("ca"), "-V", "5",
                "-u", name, "-P", f"{name}-secret", *words]

    def start_ops(self):
        sub = self.fabric.spawn("ops", [WEFT, "sub", "--broker", self.fabric.url, "--json", "--topic", "session"],
                                env=self.login("ops"))
        count = [0]

        def hears():
            count[0] += 1
            self.publish_through("host-a", 1, 100000 + count[0])
            return sub.out()

        wait_for(hears, "the listener hears")
        return sub

    def heard(self, sub):
        return [one for one in sessions(sub) if int(one[1:]) < 100000]

    def expect_no_refusals(self, *processes):
        for process in processes:
            for word in "publish-refused", "subscribe-refused":
                self.assertNotIn(word, process.err())


class Access(AccessTest):
    def test_nodes_and_a_listener_do_all_that_they_do(self):
        self.start_access_broker()
        a = self.start_node_as("host-a")
        b = self.start_node_as("host-b", "--print")
        sub = self.start_ops()
        web = self.fabric.spawn("web", self.tool("mosquitto_sub", "web", "-t", "weft/v1/default/#", "-F", "%t"))
        self.publish_through("host-a", 20)
        wait_for(lambda: len(self.heard(sub)) == 20, "the listener hears the node")
        wait_for(lambda: b.out().count("session_start") >= 20, "the other node hears it")
        for topic in "live/host-a", "live/host-b", "state/host-a", "beat/host-b":
            wait_for(lambda topic=topic: f"weft/v1/default/{topic}" in web.lines(), f"the tap sees {topic}")
        self.assertNotIn("/evt/", web.out())

        sub.signal(SIGSTOP)
        self.publish_through("host-a", 30, 20)
        self.fabric.broker.kill()
        self.fabric.start_broker()
        sub.signal(SIGCONT)
        wait_for(lambda: len(self.heard(sub)) == 50, "what the broker lost is replayed to the listener")
        self.assertEqual(sorted(self.heard(sub), key=lambda one: int(one[1:])), [f"s{i}" for i in range(50)])
        self.expect_no_refusals(a, b, sub)

    def test_a_node_cannot_speak_in_anothers_name(self):
        self.start_access_broker()
        self.start_node_as("host-a")
        sub = self.start_ops()
        liar = self.start_node_as("host-b", login="ci")
        self.publish_through("host-b", 3)
        wait_for(lambda: "publish-refused" in liar.err() and "evt/session/host-b" in liar.err(), "it is told")
        self.assertIn("live/host-b", liar.err())
        subprocess.run(self.tool("mosquitto_pub", "host-a", "-t", "weft/v1/default/live/host-b", "-q", "1", "-r", "-m",
                                 "x"), check=False)
        retained = subprocess.run(self.tool("mosquitto_sub", "web", "-t", "weft/v1/default/live/host-b", "-W", "1"),
                                  capture_output=True, check=False)
        self.assertEqual(retained.stdout, b"")
        self.publish_through("host-a", 1)
        wait_for(lambda: self.heard(sub), "the honest one is heard")
        self.assertEqual(self.heard(sub), ["s0"])

    def test_a_listener_cannot_publish_and_a_publisher_can(self):
        self.start_access_broker()
        self.start_node_as("host-a")
        sub = self.start_ops()
        words = ["pub", "--broker", self.fabric.url, "--timeout", "100", "session_start", "session_id=s7"]
        self.fabric.env.update(self.login("ops"))
        self.expect(self.fabric.weft(*words), 1, "evt/session/ops", "ACL")
        self.fabric.env.update(self.login("ci"))
        self.expect(self.fabric.weft(*words), 0)
        wait_for(lambda: self.heard(sub), "the publisher is heard")
        self.assertEqual({event["node"] for event in events(sub) if event["sessionId"] == "s7"}, {"ci"})

    def test_whoever_logs_in_is_a_node_where_that_is_wanted(self):
        self.start_access_broker("--any-node", "listener=ops")
        a = self.start_node_as("host-a")
        sub = self.start_ops()
        self.publish_through("host-a", 3)
        wait_for(lambda: len(self.heard(sub)) == 3, "the listener hears the node")
        self.expect_no_refusals(a, sub)
        liar = self.start_node_as("host-b", login="ci")
        wait_for(lambda: "publish-refused" in liar.err(), "it is told")

    def test_a_certificate_of_another_name_gives_no_right_to_this_one(self):
        self.start_access_broker(more="require_certificate true\nuse_identity_as_username true")
        self.fabric.env.update(self.showing("client"))
        a = self.fabric.start_node("host-a")
        self.fabric.wait_connected(a)
        self.fabric.env.update(self.showing("twin"))
        liar = self.fabric.start_node("host-c")
        self.fabric.wait_connected(liar)
        wait_for(lambda: "publish-refused" in liar.err(), "it is told")
        self.assertIn("live/host-c", liar.err())
        self.expect_no_refusals(a)


if __name__ == "__main__":
    if shutil.which("openssl") is None:
        print("skipped: openssl is not installed")
        sys.exit(77)
    main()
