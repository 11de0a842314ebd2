#include "bridge/link.h"
#include "bridge/mqtt_url.h"
#include "support/suite.h"

#include <string.h>

static void expect(const char *url, bool tls, const char *host, uint16_t port)
{
    weft__mqtt_url parsed;
    CU_ASSERT_EQUAL_FATAL(weft__mqtt_url_parse(url, &parsed, NULL), WEFT_OK);
    CU_ASSERT_EQUAL(parsed.tls, tls);
    CU_ASSERT_STRING_EQUAL(parsed.host, host);
    CU_ASSERT_EQUAL(parsed.port, port);
}

static void expect_refused(const char *url, const char *word)
{
    weft__mqtt_url parsed;
    const char *reason = NULL;
    CU_ASSERT_EQUAL(weft__mqtt_url_parse(url, &parsed, &reason), WEFT_INVALID);
    CU_ASSERT_PTR_NOT_NULL_FATAL(reason);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, word));
    CU_ASSERT_EQUAL(weft__mqtt_url_check(url, NULL), WEFT_INVALID);
}

static void uses_the_default_port_of_each_scheme(void)
{
    expect("mqtt://localhost", false, "localhost", 1883);
    expect("mqtts://broker.example.org", true, "broker.example.org", 8883);
}

static void takes_a_port_and_a_trailing_slash(void)
{
    expect("mqtt://10.0.0.7:11883", false, "10.0.0.7", 11883);
    expect("MQTTS://host_a-1:65535/", true, "host_a-1", 65535);
}

static void takes_ipv6_addresses_in_brackets(void)
{
    weft__mqtt_url parsed;
    expect("mqtt://[::1]:1884", false, "::1", 1884);
    expect("mqtts://[fe80::1]", true, "fe80::1", 8883);
    CU_ASSERT_EQUAL(weft__mqtt_url_parse("mqtt://[::1]", &parsed, NULL), WEFT_OK);
    CU_ASSERT_TRUE(parsed.ipv6);
}

static void refuses_other_schemes(void)
{
    expect_refused(NULL, "missing");
    expect_refused("", "mqtt://");
    expect_refused("localhost", "mqtt://");
    expect_refused("tcp://localhost", "mqtt://");
    expect_refused("http://localhost:1883", "mqtt://");
}

static void refuses_bad_hosts(void)
{
    char url[400] = "mqtt://";
    expect_refused("mqtt://", "host");
    expect_refused("mqtt://:1883", "host");
    expect_refused("mqtt://[::1", "host");
    expect_refused("mqtt://a b", "character");
    expect_refused("mqtt://host\n", "character");
    memset(url + 7, 'a', 254);
    expect_refused(url, "host");
    url[7 + 253] = '\0';
    CU_ASSERT_EQUAL(weft__mqtt_url_check(url, NULL), WEFT_OK);
}

static void refuses_bad_ports(void)
{
    expect_refused("mqtt://h:", "port");
    expect_refused("mqtt://h:0", "port");
    expect_refused("mqtt://h:65536", "port");
    expect_refused("mqtt://h:99999999999999999999999", "port");
    expect_refused("mqtt://h:1883x", "follow");
}

static void refuses_credentials_paths_and_queries(void)
{
    expect_refused("mqtt://user:secret@host", "password");
    expect_refused("mqtt://host/topic", "follow");
    expect_refused("mqtt://host:1883/?x=1", "follow");
}

static void leaves_the_result_untouched_on_failure(void)
{
    weft__mqtt_url parsed = {.port = 7};
    CU_ASSERT_EQUAL(weft__mqtt_url_parse("mqtt://h:0", &parsed, NULL), WEFT_INVALID);
    CU_ASSERT_EQUAL(parsed.port, 7);
}

SUITE(bridge_mqtt_url, CASE(uses_the_default_port_of_each_scheme), CASE(takes_a_port_and_a_trailing_slash),
      CASE(takes_ipv6_addresses_in_brackets), CASE(refuses_other_schemes), CASE(refuses_bad_hosts),
      CASE(refuses_bad_ports), CASE(refuses_credentials_paths_and_queries),
      CASE(leaves_the_result_untouched_on_failure))
