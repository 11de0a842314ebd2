#!/usr/bin/env python3
"""Brokers behind TLS and passwords: what connects, and how each thing that somebody has to mend is said."""
import os
import shutil
import subprocess
import sys

from fabric import SIGTERM, WEFT, FabricTest, events, main, wait_for

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
        self.fabric.url = f"mqtts://localhost:{self.fabric.port}"
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


if __name__ == "__main__":
    if shutil.which("openssl") is None:
        print("skipped: openssl is not installed")
        sys.exit(77)
    main()
