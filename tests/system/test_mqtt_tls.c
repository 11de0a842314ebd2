#include "bridge/link.h"
#include "support/broker.h"
#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hear_message(void *user, const char *topic, const uint8_t *payload, size_t length, bool retained)
{
    (void)user, (void)topic, (void)payload, (void)length, (void)retained;
}

static void hear_ack(void *user, int token, weft_status status)
{
    (void)user, (void)token, (void)status;
}

static void hear_down(void *user)
{
    (void)user;
}

/* A broker that shows the named certificate, with more lines in its configuration. */
static broker *broker_run(const char *certificate, const char *lines)
{
    broker *b = broker_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    const char *dir = broker_dir(b);
    char text[2048];
    (void)snprintf(text, sizeof text, "sh '" WEFT_SOURCE_DIR "/tests/support/certificates.sh' '%s'", dir);
    CU_ASSERT_EQUAL_FATAL(system(text), 0);
    (void)snprintf(text, sizeof text, "cafile %s/ca.crt\ncertfile %s/%s.crt\nkeyfile %s/%s.key\n%s", dir, dir,
                   certificate, dir, certificate, lines);
    broker_configure(b, text);
    CU_ASSERT_TRUE_FATAL(broker_start(b));
    return b;
}

/* Connects once; NULL names mean none. The reason is copied. */
static weft_status connect_within(const broker *b, const char *scheme_and_host, const char *ca, const char *client,
                                  uint32_t timeout_s, char reason[256])
{
    char url[96], ca_file[96], cert_file[96], key_file[96];
    (void)snprintf(url, sizeof url, "%s:%u", scheme_and_host, broker_port(b));
    (void)snprintf(ca_file, sizeof ca_file, "%s/%s.crt", broker_dir(b), ca != NULL ? ca : "");
    (void)snprintf(cert_file, sizeof cert_file, "%s/%s.crt", broker_dir(b), client != NULL ? client : "");
    (void)snprintf(key_file, sizeof key_file, "%s/%s.key", broker_dir(b), client != NULL ? client : "");
    weft__link_opts opts = {.url = url,
                            .client_id = "a",
                            .ca_file = ca != NULL ? ca_file : NULL,
                            .cert_file = client != NULL ? cert_file : NULL,
                            .key_file = client != NULL ? key_file : NULL,
                            .connect_timeout_s = timeout_s};
    weft__link_callbacks callbacks = {hear_message, hear_ack, hear_down, NULL};
    weft__link *link = NULL;
    weft__link_limits limits;
    const char *why = "";
    CU_ASSERT_EQUAL_FATAL(weft__mqtt_link.create(&opts, &callbacks, &link), WEFT_OK);
    weft_status status = weft__mqtt_link.connect(link, true, &limits, &why);
    if (status == WEFT_OK)
        CU_ASSERT_EQUAL(weft__mqtt_link.subscribe(link, "t", 1), WEFT_OK);
    (void)snprintf(reason, 256, "%s", why);
    weft__mqtt_link.disconnect(link);
    weft__mqtt_link.destroy(link);
    return status;
}

static weft_status connect_once(const broker *b, const char *scheme_and_host, const char *ca, const char *client,
                                char reason[256])
{
    return connect_within(b, scheme_and_host, ca, client, 10, reason);
}

/* Connects once and looks at the status, and for a word in the reason. */
static void expect(const broker *b, const char *address, const char *ca, const char *client, weft_status wanted,
                   const char *word)
{
    char reason[256];
    CU_ASSERT_EQUAL(connect_once(b, address, ca, client, reason), wanted);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, word));
    if (strstr(reason, word) == NULL)
        (void)printf("reason: %s\n", reason);
}

static void connects_to_a_broker_it_can_verify(void)
{
    broker *b = broker_run("broker", "");
    expect(b, "mqtts://localhost", "ca", NULL, WEFT_OK, "");
    broker_destroy(b);
}

static void refuses_a_broker_of_another_authority(void)
{
    broker *b = broker_run("broker", "");
    expect(b, "mqtts://localhost", "other", NULL, WEFT_REFUSED, "not vouched for by");
    expect(b, "mqtts://localhost", "other", NULL, WEFT_REFUSED, "other.crt");
    expect(b, "mqtts://localhost", NULL, NULL, WEFT_REFUSED, "not vouched for by this system");
    broker_destroy(b);
}

static void refuses_an_expired_certificate(void)
{
    broker *b = broker_run("expired", "");
    expect(b, "mqtts://localhost", "ca", NULL, WEFT_REFUSED, "(localhost) that localhost");
    expect(b, "mqtts://localhost", "ca", NULL, WEFT_REFUSED, "has expired on 20");
    broker_destroy(b);
}

static void refuses_a_certificate_for_another_host(void)
{
    broker *b = broker_run("broker", "");
    expect(b, "mqtts://127.0.0.1", "ca", NULL, WEFT_REFUSED, "for another host (localhost)");
    broker_destroy(b);
}

static void names_a_file_that_it_cannot_use(void)
{
    broker *b = broker_run("broker", "");
    char path[128];
    expect(b, "mqtts://localhost", "missing", NULL, WEFT_REFUSED, "cannot read");
    expect(b, "mqtts://localhost", "missing", NULL, WEFT_REFUSED, "missing.crt");
    (void)snprintf(path, sizeof path, "%s/empty.crt", broker_dir(b));
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    (void)fclose(file);
    expect(b, "mqtts://localhost", "empty", NULL, WEFT_REFUSED, "empty.crt holds no certificate");
    (void)snprintf(path, sizeof path, "%s/foreign.key", broker_dir(b));
    char from[128];
    (void)snprintf(from, sizeof from, "%s/client.key", broker_dir(b));
    CU_ASSERT_EQUAL(rename(from, path), 0);
    expect(b, "mqtts://localhost", "ca", "foreign", WEFT_REFUSED, "not the certificate's");
    broker_destroy(b);
}

static void shows_its_own_certificate(void)
{
    broker *b = broker_run("broker", "require_certificate true");
    expect(b, "mqtts://localhost", "ca", "client", WEFT_OK, "");
    expect(b, "mqtts://localhost", "ca", NULL, WEFT_REFUSED, "wants a client certificate");
    expect(b, "mqtts://localhost", "ca", "late", WEFT_REFUSED, "late.crt");
    expect(b, "mqtts://localhost", "ca", "foreign", WEFT_REFUSED, "does not accept our certificate");
    broker_destroy(b);
}

static void hears_of_its_certificate_in_older_tls_too(void)
{
    broker *b = broker_run("broker", "require_certificate true\ntls_version tlsv1.2");
    expect(b, "mqtts://localhost", "ca", "client", WEFT_OK, "");
    expect(b, "mqtts://localhost", "ca", NULL, WEFT_REFUSED, "wants a client certificate");
    expect(b, "mqtts://localhost", "ca", "late", WEFT_REFUSED, "late.crt");
    broker_destroy(b);
}

static void tells_plain_mqtt_from_tls(void)
{
    broker *tls = broker_run("broker", ""), *plain = broker_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(plain);
    CU_ASSERT_TRUE_FATAL(broker_start(plain));
    expect(tls, "mqtt://localhost", NULL, NULL, WEFT_REFUSED, "use mqtts://");
    expect(plain, "mqtts://localhost", NULL, NULL, WEFT_REFUSED, "use mqtt://");
    broker_destroy(tls);
    broker_destroy(plain);
}

/* A listener whose backlog takes connections that nobody reads. */
static void waits_for_a_listener_that_says_nothing_as_for_a_passing_fault(void)
{
    broker *b = broker_run("broker", "");
    broker_freeze(b);
    char reason[256];
    CU_ASSERT_NOT_EQUAL(connect_within(b, "mqtts://localhost", "ca", NULL, 1, reason), WEFT_REFUSED);
    broker_thaw(b);
    broker_destroy(b);
}

int main(int argc, char **argv)
{
    static const suite_case cases[] = {CASE(connects_to_a_broker_it_can_verify),
                                       CASE(refuses_a_broker_of_another_authority),
                                       CASE(refuses_an_expired_certificate),
                                       CASE(refuses_a_certificate_for_another_host),
                                       CASE(names_a_file_that_it_cannot_use),
                                       CASE(shows_its_own_certificate),
                                       CASE(hears_of_its_certificate_in_older_tls_too),
                                       CASE(tells_plain_mqtt_from_tls),
                                       CASE(waits_for_a_listener_that_says_nothing_as_for_a_passing_fault)};
    if (!broker_available() || system("openssl version >/dev/null 2>&1") != 0) {
        (void)puts("skipped: mosquitto or openssl is not installed");
        return 77;
    }
    return suite_run("system_mqtt_tls", cases, sizeof cases / sizeof *cases, argc, argv);
}
