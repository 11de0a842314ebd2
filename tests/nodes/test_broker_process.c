/* tests/nodes/test_broker_process.c: with a real mosquitto; without one, skipped. */
#include "nodes/broker_process.h"

#include "support/suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool can_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool connected = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return connected;
}

/* NULL, and says so, when mosquitto is not installed. */
static broker_process *broker_started(const broker_process_opts *opts)
{
    broker_process *b = NULL;
    char reason[1024] = "";
    weft_status st = broker_process_start(opts, &b, reason, sizeof reason);
    if (st == WEFT_NOT_FOUND)
        puts("skipped: mosquitto is not installed");
    else if (st != WEFT_OK)
        CU_FAIL(reason);
    return b;
}

static void accepts_once_started_and_not_once_destroyed(void)
{
    broker_process *b = broker_started(NULL);
    if (b == NULL)
        return;
    uint16_t port = broker_process_port(b);
    char url[64];
    snprintf(url, sizeof url, "mqtt://127.0.0.1:%u", port);
    CU_ASSERT_STRING_EQUAL(broker_process_url(b), url);
    CU_ASSERT_TRUE(can_connect(port));
    CU_ASSERT_TRUE(broker_process_is_running(b));
    broker_process_destroy(b);
    CU_ASSERT_FALSE(can_connect(port));
}

static void comes_back_on_its_port_after_a_kill(void)
{
    broker_process *b = broker_started(NULL);
    if (b == NULL)
        return;
    uint16_t port = broker_process_port(b);
    char reason[1024] = "";
    for (int i = 0; i < 2; i++) {
        broker_process_kill(b);
        CU_ASSERT_FALSE(broker_process_is_running(b));
        CU_ASSERT_FALSE(can_connect(port));
        CU_ASSERT_EQUAL(broker_process_restart(b, reason, sizeof reason), WEFT_OK);
        CU_ASSERT_EQUAL(broker_process_port(b), port);
        CU_ASSERT_TRUE(can_connect(port));
    }
    broker_process_destroy(b);
}

static void refuses_a_taken_port(void)
{
    broker_process *first = broker_started(NULL), *second = NULL;
    if (first == NULL)
        return;
    char reason[1024] = "", port[16];
    broker_process_opts opts = {.port = broker_process_port(first)};
    CU_ASSERT_EQUAL(broker_process_start(&opts, &second, reason, sizeof reason), WEFT_EXISTS);
    snprintf(port, sizeof port, "%u", opts.port);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, port));
    CU_ASSERT_PTR_NULL(second);
    broker_process_destroy(first);
}

static void names_a_program_that_does_not_work(void)
{
    broker_process *b = NULL;
    char reason[1024] = "";
    CU_ASSERT_EQUAL(broker_process_start(&(broker_process_opts){.program = "/bin/false"}, &b, reason, sizeof reason),
                    WEFT_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "/bin/false"));
    CU_ASSERT_PTR_NULL(b);
}

static void leaves_no_directory_behind(void)
{
    char directory[] = "/tmp/weft-test-XXXXXX";
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    const char *before = getenv("TMPDIR");
    char *saved = before != NULL ? strdup(before) : NULL;
    setenv("TMPDIR", directory, 1);
    broker_process *b = broker_started(NULL);
    if (b != NULL)
        CU_ASSERT_NOT_EQUAL(rmdir(directory), 0);
    broker_process_destroy(b);
    CU_ASSERT_EQUAL(rmdir(directory), 0);
    if (saved != NULL)
        setenv("TMPDIR", saved, 1);
    else
        unsetenv("TMPDIR");
    free(saved);
}

SUITE(nodes_broker_process, CASE(accepts_once_started_and_not_once_destroyed),
      CASE(comes_back_on_its_port_after_a_kill), CASE(refuses_a_taken_port), CASE(names_a_program_that_does_not_work),
      CASE(leaves_no_directory_behind))
