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

/* Two authorities; the first signs the broker (for localhost only) and a client. */
static const char certificates[] =
    "cd '%s' && exec >>log 2>&1 && set -e\n"
    "new='openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n"
    "for name in ca other; do $new -x509 -days 2 -subj /CN=$name -keyout $name.key -out $name.crt; done\n"
    "for name in broker client; do\n"
    "  $new -subj /CN=$name -keyout $name.key -out $name.csr\n"
    "  echo subjectAltName=DNS:localhost >$name.ext\n"
    "  openssl x509 -req -days 2 -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile $name.ext -out "
    "$name.crt\n"
    "done\n";

static broker *broker_run(const char *lines)
{
    broker *b = broker_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    const char *dir = broker_dir(b);
    char text[2048];
    (void)snprintf(text, sizeof text, certificates, dir);
    CU_ASSERT_EQUAL_FATAL(system(text), 0);
    (void)snprintf(text, sizeof text, "cafile %s/ca.crt\ncertfile %s/broker.crt\nkeyfile %s/broker.key\n%s", dir, dir,
                   dir, lines);
    broker_configure(b, text);
    CU_ASSERT_TRUE_FATAL(broker_start(b));
    return b;
}

/* Connects once; NULL names mean none. The reason is copied. */
static weft_status connect_once(const broker *b, const char *scheme_and_host, const char *ca, const char *client,
                                char reason[256])
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
                            .connect_timeout_s = 10};
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

static void connects_to_a_broker_it_can_verify(void)
{
    broker *b = broker_run("");
    char reason[256];
    CU_ASSERT_EQUAL(connect_once(b, "mqtts://localhost", "ca", NULL, reason), WEFT_OK);
    broker_destroy(b);
}

static void refuses_a_broker_of_another_authority(void)
{
    broker *b = broker_run("");
    char reason[256];
    CU_ASSERT_EQUAL(connect_once(b, "mqtts://localhost", "other", NULL, reason), WEFT_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "certificate verify failed"));
    CU_ASSERT_EQUAL(connect_once(b, "mqtts://localhost", NULL, NULL, reason), WEFT_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "certificate verify failed"));
    broker_destroy(b);
}

static void refuses_a_certificate_for_another_host(void)
{
    broker *b = broker_run("");
    char reason[256];
    CU_ASSERT_EQUAL(connect_once(b, "mqtts://127.0.0.1", "ca", NULL, reason), WEFT_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "for another host"));
    broker_destroy(b);
}

static void names_a_missing_authority_file(void)
{
    broker *b = broker_run("");
    char reason[256];
    CU_ASSERT_EQUAL(connect_once(b, "mqtts://localhost", "missing", NULL, reason), WEFT_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "cannot read"));
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "missing.crt"));
    broker_destroy(b);
}

static void shows_its_own_certificate(void)
{
    broker *b = broker_run("require_certificate true");
    char reason[256];
    CU_ASSERT_NOT_EQUAL(connect_once(b, "mqtts://localhost", "ca", NULL, reason), WEFT_OK);
    CU_ASSERT_EQUAL(connect_once(b, "mqtts://localhost", "ca", "client", reason), WEFT_OK);
    broker_destroy(b);
}

static void tells_plain_mqtt_from_tls(void)
{
    broker *tls = broker_run(""), *plain = broker_create();
    char reason[256];
    CU_ASSERT_PTR_NOT_NULL_FATAL(plain);
    CU_ASSERT_TRUE_FATAL(broker_start(plain));
    CU_ASSERT_EQUAL(connect_once(tls, "mqtt://localhost", NULL, NULL, reason), WEFT_UNREACHABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "mqtts://"));
    CU_ASSERT_EQUAL(connect_once(plain, "mqtts://localhost", NULL, NULL, reason), WEFT_REFUSED);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "TLS"));
    broker_destroy(tls);
    broker_destroy(plain);
}

int main(int argc, char **argv)
{
    static const suite_case cases[] = {CASE(connects_to_a_broker_it_can_verify),
                                       CASE(refuses_a_broker_of_another_authority),
                                       CASE(refuses_a_certificate_for_another_host),
                                       CASE(names_a_missing_authority_file),
                                       CASE(shows_its_own_certificate),
                                       CASE(tells_plain_mqtt_from_tls)};
    if (!broker_available() || system("openssl version >/dev/null 2>&1") != 0) {
        (void)puts("skipped: mosquitto or openssl is not installed");
        return 77;
    }
    return suite_run("system_mqtt_tls", cases, sizeof cases / sizeof *cases, argc, argv);
}
