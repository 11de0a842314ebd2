/* bridge/mqtt_link.c: a link over MQTT 5 with Paho's synchronous client. The only file that names Paho.
 *
 * Owns       three client handles: rx receives, tx sends and carries the will, peek looks at one retained message.
 * Leaves     reconnecting and resubscribing to the caller; packet ids to mqtt_window, causes to mqtt_reason.
 * Threads    the link thread makes all calls. Paho has one thread of its own for all handles of the process; it runs
 *            on_message without and on_published with Paho's global mutex held, and starts a short-lived thread for
 *            on_lost while it holds that mutex. None of them may call Paho or wait for somebody who does.
 * States     down -> up (connect) -> down (connection lost, disconnect, destroy). `up` changes to false once a
 *            connection; whoever changes it tells on_down. Callbacks pass only while up.
 * Lifetime   Paho's thread may be on its way into on_message when a connection closes, and touches the handle once more
 *            afterwards; MQTTClient_destroy does not wait for that. So handles serve all connections of a link, and a
 *            destroyed link is only retired: freed when no link is left, which has ended Paho's thread, or a minute
 *            later.
 * Limits     Paho takes one address of a host (IPv4 if any), heeds http_proxy and https_proxy, and notices a frozen
 *            broker after 2.5 keep-alives. */
#include "link.h"
#include "mqtt_box.h"
#include "mqtt_reason.h"
#include "mqtt_url.h"
#include "mqtt_window.h"
#include "tcp_nodelay.h"

#include <MQTTClient.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    WINDOW_MAX = 1024,           /* Paho searches its list of messages in flight for each acknowledgement */
    RECEIVE_MAX_BYTES = 1 << 20, /* larger packets are not sent to us: memory is reserved before a length is judged */
    GOODBYE_WAIT_MS = 1000,      /* for acknowledgements still under way at disconnect */
    PEEK_WAIT_MIN_MS = 50,       /* for brokers that send the retained message some time after the SUBACK */
    PEEK_WAIT_MAX_MS = 300,
    RETIRED_KEEP_MS = 60000,
};

struct weft__link {
    weft__link_callbacks callbacks; /* const after create, as all up to will */
    weft__mqtt_url url;
    char *uri;
    char *username;
    char *password;
    char *ca_file;
    char *cert_file;
    char *key_file;
    char *will_topic;
    uint32_t keep_alive_s;
    uint32_t connect_timeout_s;
    uint32_t session_expiry_s;
    MQTTClient rx;
    MQTTClient tx; /* NULL if receive_only */
    MQTTClient peek;
    uint8_t *will; /* link thread, as all up to box */
    size_t will_bytes;
    uint32_t max_packet_bytes;
    char tls_error[160]; /* also Paho's thread, while the link thread waits in connect */
    char reason[512];
    weft__mqtt_box box;
    atomic_bool up;
    atomic_uint inside; /* callbacks running */
    weft__mqtt_window window;
    weft__link *next; /* [process_lock], as retired_ms: of a destroyed link */
    int64_t retired_ms;
};

/* ---- the process: Paho's library state is shared by all links ---- */

/* Serialises connecting, closing and destroying between links: Paho starts and ends its thread in them without
 * expecting another. Taken before any lock of Paho's. */
static pthread_mutex_t process_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned link_count; /* [process_lock] */
static weft__link *retired; /* [process_lock] */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void link_free(weft__link *link)
{
    MQTTClient *handles[] = {&link->rx, &link->tx, &link->peek};
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        if (*handles[i] != NULL)
            MQTTClient_destroy(handles[i]);
    char *strings[] = {link->uri,       link->username, link->password,   link->ca_file,
                       link->cert_file, link->key_file, link->will_topic, (char *)link->will};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free(strings[i]);
    weft__mqtt_box_fini(&link->box);
    free(link);
}

static void retired_sweep_locked(void)
{
    int64_t before = now_ms() - RETIRED_KEEP_MS;
    for (weft__link **at = &retired; *at != NULL;) {
        weft__link *link = *at;
        if (link_count != 0 && link->retired_ms > before) {
            at = &link->next;
            continue;
        }
        *at = link->next;
        link_free(link);
    }
}

/* ---- callbacks of Paho ---- */

static void callback_leave(weft__link *link)
{
    atomic_fetch_sub(&link->inside, 1);
}

static bool callback_enter(weft__link *link)
{
    atomic_fetch_add(&link->inside, 1);
    if (atomic_load(&link->up))
        return true;
    callback_leave(link);
    return false;
}

/* Whoever closes the gate waits for those inside; they only enqueue. False if it was closed. */
static bool gate_close(weft__link *link)
{
    if (!atomic_exchange(&link->up, false))
        return false;
    while (atomic_load(&link->inside) != 0)
        sched_yield();
    return true;
}

static void link_lose(weft__link *link)
{
    if (gate_close(link))
        link->callbacks.on_down(link->callbacks.user);
}

static void on_lost(void *context, char *cause)
{
    (void)cause;
    link_lose(context);
}

static int on_message(void *context, char *topic, int topic_length, MQTTClient_message *message)
{
    weft__link *link = context;
    /* A length means a NUL inside the topic: nobody's. */
    if (topic_length == 0 && callback_enter(link)) {
        link->callbacks.on_message(link->callbacks.user, topic, message->payload, (size_t)message->payloadlen,
                                   message->retained != 0);
        callback_leave(link);
    }
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
    return 1;
}

static weft_status puback_status(enum MQTTReasonCodes code)
{
    if ((int)code < 0x80)
        return WEFT_OK;
    return code == MQTTREASONCODE_PACKET_TOO_LARGE ? WEFT_TOO_LARGE : WEFT_REFUSED;
}

static void on_published(void *context, int id, int packet_type, MQTTProperties *properties, enum MQTTReasonCodes code)
{
    (void)packet_type, (void)properties;
    weft__link *link = context;
    if (!callback_enter(link))
        return;
    bool known = weft__mqtt_window_release(&link->window, id);
    if (known)
        link->callbacks.on_acked(link->callbacks.user, id, puback_status(code));
    callback_leave(link);
    if (!known) /* broker and we count differently: only a new session repairs that */
        link_lose(link);
}

static void on_peek_lost(void *context, char *cause)
{
    (void)cause;
    weft__mqtt_box_lose(&((weft__link *)context)->box);
}

static int on_peek_message(void *context, char *topic, int topic_length, MQTTClient_message *message)
{
    (void)topic_length;
    if (message->retained)
        weft__mqtt_box_put(&((weft__link *)context)->box, message->payload, (size_t)message->payloadlen);
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
    return 1;
}

static void reason_set(weft__link *link, const char *text)
{
    (void)snprintf(link->reason, sizeof link->reason, "%s", text);
}

static int on_tls_error(const char *text, size_t length, void *context)
{
    weft__link *link = context;
    if (link->tls_error[0] == '\0') /* the first line names the cause */
        (void)snprintf(link->tls_error, sizeof link->tls_error, "%.*s", (int)strcspn(text, "\n"), text);
    return (int)length;
}

/* Translates what MQTTClient_connect5 returned, and leaves the reason. */
static weft_status connect_status(weft__link *link, int code, int64_t waited_ms)
{
    if (code == MQTTCLIENT_SUCCESS)
        return WEFT_OK;
    if (code == MQTTCLIENT_BAD_UTF8_STRING) {
        reason_set(link, "user name and password must be UTF-8");
        return WEFT_REFUSED;
    }
    weft__mqtt_failure failure = {.url = &link->url,
                                  .code = code,
                                  .waited_ms = waited_ms,
                                  .timeout_ms = (int64_t)link->connect_timeout_s * 1000,
                                  .tls_error = link->tls_error,
                                  .ca_file = link->ca_file,
                                  .cert_file = link->cert_file,
                                  .key_file = link->key_file};
    return weft__mqtt_explain(&failure, link->reason, sizeof link->reason);
}

/* ---- one connection ---- */

typedef enum connection_kind { CONNECTION_RX, CONNECTION_TX, CONNECTION_PEEK } connection_kind;

static bool properties_make(const weft__link *link, connection_kind kind, MQTTProperties *properties)
{
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
    expiry.value.integer4 = kind == CONNECTION_RX ? link->session_expiry_s : 0;
    MQTTProperty largest = {.identifier = MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE};
    largest.value.integer4 = RECEIVE_MAX_BYTES;
    return MQTTProperties_add(properties, &expiry) == 0 && MQTTProperties_add(properties, &largest) == 0;
}

static void will_fill(const weft__link *link, MQTTClient_willOptions *will)
{
    will->topicName = link->will_topic;
    will->message = NULL;
    will->payload.len = (int)link->will_bytes;
    will->payload.data = link->will_bytes > 0 ? link->will : NULL;
    will->qos = 1;
    will->retained = 1;
}

static void tls_fill(weft__link *link, MQTTClient_SSLOptions *tls)
{
    tls->trustStore = link->ca_file;
    tls->disableDefaultTrustStore = link->ca_file != NULL;
    tls->keyStore = link->cert_file;
    tls->privateKey = link->key_file;
    tls->enableServerCertAuth = 1;
    tls->verify = 1;
    tls->ssl_error_cb = on_tls_error;
    tls->ssl_error_context = link;
}

static MQTTResponse handle_connect(weft__link *link, MQTTClient handle, connection_kind kind, bool clean,
                                   MQTTProperties *properties)
{
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer5;
    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    options.keepAliveInterval = (int)link->keep_alive_s;
    options.connectTimeout = (int)link->connect_timeout_s;
    options.reliable = 0;
    options.maxInflightMessages = WINDOW_MAX;
    options.cleanstart = clean;
    options.username = link->username;
    options.password = link->password;
    if (link->url.tls) {
        tls_fill(link, &tls);
        options.ssl = &tls;
    }
    if (kind == CONNECTION_TX && link->will_topic != NULL) {
        will_fill(link, &will);
        options.will = &will;
    }
    link->tls_error[0] = '\0';
    return MQTTClient_connect5(handle, &options, properties, NULL);
}

static uint32_t property_read(const MQTTResponse *response, enum MQTTPropertyCodes code, uint32_t otherwise)
{
    if (response->properties == NULL || !MQTTProperties_hasProperty(response->properties, code))
        return otherwise;
    /* Through uint32_t: Paho returns four-byte values in an int. */
    return (uint32_t)MQTTProperties_getNumericValue(response->properties, code);
}

static weft_status connection_open(weft__link *link, MQTTClient handle, connection_kind kind, bool clean,
                                   weft__link_limits *ret_limits)
{
    MQTTProperties properties = MQTTProperties_initializer;
    if (!properties_make(link, kind, &properties)) {
        MQTTProperties_free(&properties);
        reason_set(link, "out of memory");
        return WEFT_UNREACHABLE;
    }
    int64_t start = now_ms();
    MQTTResponse response = handle_connect(link, handle, kind, clean, &properties);
    weft_status status = connect_status(link, (int)response.reasonCode, now_ms() - start);
    if (status == WEFT_OK) {
        (void)weft__tcp_nodelay(link->url.port);
        uint32_t window = property_read(&response, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, UINT16_MAX);
        ret_limits->receive_maximum = window < WINDOW_MAX ? window : WINDOW_MAX;
        ret_limits->max_packet_bytes = property_read(&response, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, UINT32_MAX);
    }
    MQTTResponse_free(response);
    MQTTProperties_free(&properties);
    return status;
}

static void connection_close(MQTTClient handle, int wait_ms, enum MQTTReasonCodes reason)
{
    if (handle != NULL)
        MQTTClient_disconnect5(handle, wait_ms, reason, NULL);
}

/* Returns OK, REFUSED or UNREACHABLE; retained_handling is that of MQTT 5 section 3.8.3.1. */
static weft_status filter_subscribe(MQTTClient handle, const char *filter, int qos, unsigned char retain_handling)
{
    MQTTSubscribe_options options = MQTTSubscribe_options_initializer;
    options.retainHandling = retain_handling;
    MQTTResponse response = MQTTClient_subscribe5(handle, filter, qos, &options, NULL);
    int code = (int)response.reasonCode;
    MQTTResponse_free(response);
    if (code < 0)
        return WEFT_UNREACHABLE;
    return code < 0x80 ? WEFT_OK : WEFT_REFUSED;
}

/* ---- create and destroy ---- */

static bool strings_copy(weft__link *link, const weft__link_opts *opts)
{
    const struct {
        char **to;
        const char *from;
    } copies[] = {{&link->username, opts->username}, {&link->password, opts->password},
                  {&link->ca_file, opts->ca_file},   {&link->cert_file, opts->cert_file},
                  {&link->key_file, opts->key_file}, {&link->will_topic, opts->will_topic}};
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++)
        if (copies[i].from != NULL && (*copies[i].to = strdup(copies[i].from)) == NULL)
            return false;
    if (asprintf(&link->uri, link->url.ipv6 ? "%s://[%s]:%u" : "%s://%s:%u", link->url.tls ? "mqtts" : "mqtt",
                 link->url.host, link->url.port) < 0)
        link->uri = NULL;
    return link->uri != NULL;
}

static weft_status handle_create(weft__link *link, const char *client_id, const char *suffix,
                                 MQTTClient_connectionLost *lost, MQTTClient_messageArrived *arrived, MQTTClient *ret)
{
    MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
    options.MQTTVersion = MQTTVERSION_5;
    char *id = NULL;
    if (asprintf(&id, "%s%s", client_id, suffix) < 0)
        return WEFT_NO_MEMORY;
    int code = MQTTClient_createWithOptions(ret, link->uri, id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &options);
    free(id);
    if (code != MQTTCLIENT_SUCCESS) {
        *ret = NULL;
        return code == MQTTCLIENT_BAD_UTF8_STRING ? WEFT_INVALID : WEFT_NO_MEMORY;
    }
    MQTTClient_setCallbacks(*ret, link, lost, arrived, NULL);
    MQTTClient_setPublished(*ret, link, on_published);
    MQTTClient_setCommandTimeout(*ret, (unsigned long)link->connect_timeout_s * 1000);
    return WEFT_OK;
}

/* OpenSSL sets itself up when it is first used. Paho would load all of it, for a node without TLS too: 1.5 MB. Once a
 * process: each call also makes Paho's locks anew, which threads of another link may hold. */
static void tls_leave_to_openssl_locked(void)
{
    static bool done; /* [process_lock] */
    if (done)
        return;
    done = true;
    MQTTClient_init_options options = MQTTClient_init_options_initializer;
    options.do_openssl_init = 0;
    MQTTClient_global_init(&options);
}

static weft_status handles_create_locked(weft__link *link, const weft__link_opts *opts)
{
    char peek_suffix[32];
    tls_leave_to_openssl_locked();
    (void)snprintf(peek_suffix, sizeof peek_suffix, ":peek:%ld", (long)getpid());
    weft_status status = handle_create(link, opts->client_id, ":rx", on_lost, on_message, &link->rx);
    if (status == WEFT_OK && !opts->receive_only)
        status = handle_create(link, opts->client_id, ":tx", on_lost, on_message, &link->tx);
    if (status == WEFT_OK)
        status = handle_create(link, opts->client_id, peek_suffix, on_peek_lost, on_peek_message, &link->peek);
    return status;
}

/* The end of a link that was not disconnected is that of a crash: the broker publishes the will. */
static void link_destroy(weft__link *link)
{
    if (link == NULL)
        return;
    gate_close(link);
    pthread_mutex_lock(&process_lock);
    connection_close(link->rx, 0, MQTTREASONCODE_SUCCESS);
    connection_close(link->tx, 0, MQTTREASONCODE_DISCONNECT_WITH_WILL_MESSAGE);
    connection_close(link->peek, 0, MQTTREASONCODE_SUCCESS);
    link->retired_ms = now_ms();
    link->next = retired;
    retired = link;
    link_count--;
    retired_sweep_locked();
    pthread_mutex_unlock(&process_lock);
}

static weft_status link_set_will(weft__link *link, const uint8_t *will, size_t will_bytes)
{
    if (will_bytes > UINT16_MAX)
        return WEFT_TOO_LARGE;
    uint8_t *copy = malloc(will_bytes + 1);
    if (copy == NULL)
        return WEFT_NO_MEMORY;
    if (will_bytes > 0)
        memcpy(copy, will, will_bytes);
    free(link->will);
    link->will = copy;
    link->will_bytes = will_bytes;
    return WEFT_OK;
}

static weft_status link_create(const weft__link_opts *opts, const weft__link_callbacks *callbacks, weft__link **ret)
{
    weft__mqtt_url url;
    if (opts->client_id == NULL || weft__mqtt_url_parse(opts->url, &url, NULL) != WEFT_OK)
        return WEFT_INVALID;
    weft__link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return WEFT_NO_MEMORY;
    if (weft__mqtt_box_init(&link->box) != WEFT_OK) {
        free(link);
        return WEFT_NO_MEMORY;
    }
    link->callbacks = *callbacks;
    link->url = url;
    link->keep_alive_s = opts->keep_alive_s > 0 ? opts->keep_alive_s : 10;
    link->connect_timeout_s = opts->connect_timeout_s > 0 ? opts->connect_timeout_s : 5;
    link->session_expiry_s = opts->session_expiry_s;
    weft_status status = strings_copy(link, opts) ? WEFT_OK : WEFT_NO_MEMORY;
    if (status == WEFT_OK)
        status = link_set_will(link, opts->will, opts->will_bytes);
    pthread_mutex_lock(&process_lock);
    link_count++;
    if (status == WEFT_OK)
        status = handles_create_locked(link, opts);
    pthread_mutex_unlock(&process_lock);
    if (status != WEFT_OK) {
        link_destroy(link);
        return status;
    }
    *ret = link;
    return WEFT_OK;
}

/* ---- the other operations ---- */

/* Receives first: the sending connection carries the will and so tells others that we are there. */
static weft_status connections_open_locked(weft__link *link, bool clean, weft__link_limits *ret_limits)
{
    weft_status status = connection_open(link, link->rx, CONNECTION_RX, clean, ret_limits);
    if (status == WEFT_OK && link->tx != NULL) {
        status = connection_open(link, link->tx, CONNECTION_TX, true, ret_limits);
        if (status != WEFT_OK)
            connection_close(link->rx, 0, MQTTREASONCODE_SUCCESS);
    }
    return status;
}

static weft_status link_connect(weft__link *link, bool clean, weft__link_limits *ret_limits, const char **reason)
{
    weft__link_limits limits = {0};
    gate_close(link);
    pthread_mutex_lock(&process_lock);
    connection_close(link->rx, 0, MQTTREASONCODE_SUCCESS);
    /* With the will: should the new connection fail, nobody may believe that this node is there. */
    connection_close(link->tx, 0, MQTTREASONCODE_DISCONNECT_WITH_WILL_MESSAGE);
    weft__mqtt_window_reset(&link->window, 0);
    atomic_store(&link->up, true); /* what waited in the session comes before connect returns */
    weft_status status = connections_open_locked(link, clean, &limits);
    connection_close(link->peek, 0, MQTTREASONCODE_SUCCESS);
    pthread_mutex_unlock(&process_lock);
    if (status == WEFT_OK && !atomic_load(&link->up)) {
        reason_set(link, "the broker closed the connection at once");
        status = WEFT_UNREACHABLE;
    }
    if (status != WEFT_OK) {
        gate_close(link);
        if (reason != NULL)
            *reason = link->reason;
        return status;
    }
    link->window.limit = limits.receive_maximum;
    link->max_packet_bytes = limits.max_packet_bytes;
    if (ret_limits != NULL)
        *ret_limits = limits;
    return WEFT_OK;
}

static weft_status link_subscribe(weft__link *link, const char *filter, int qos)
{
    weft_status status = filter_subscribe(link->rx, filter, qos, 0);
    if (status == WEFT_UNREACHABLE)
        link_lose(link);
    return status;
}

/* Each filter's answer; a single one stands elsewhere. False if the broker did not answer for each. */
static bool answers_read(const MQTTResponse *response, weft__link_filter *filters, size_t count)
{
    if ((int)response->reasonCode < 0 || response->reasonCodeCount != (int)count)
        return false;
    for (size_t i = 0; i < count; i++) {
        int code = (int)(count == 1 ? response->reasonCode : response->reasonCodes[i]);
        filters[i].status = code < 0x80 ? WEFT_OK : WEFT_REFUSED;
    }
    return true;
}

static weft_status link_subscribe_many(weft__link *link, weft__link_filter *filters, size_t count)
{
    char *names[WEFT__LINK_FILTERS_MAX];
    int qos[WEFT__LINK_FILTERS_MAX];
    for (size_t i = 0; i < count; i++) {
        names[i] = (char *)filters[i].filter;
        qos[i] = filters[i].qos;
    }
    MQTTResponse response = MQTTClient_subscribeMany5(link->rx, (int)count, names, qos, NULL, NULL);
    bool answered = answers_read(&response, filters, count);
    MQTTResponse_free(response);
    if (answered)
        return WEFT_OK;
    link_lose(link);
    return WEFT_UNREACHABLE;
}

static weft_status link_unsubscribe(weft__link *link, const char *filter)
{
    MQTTResponse response = MQTTClient_unsubscribe5(link->rx, filter, NULL);
    int code = (int)response.reasonCode;
    MQTTResponse_free(response);
    if (code >= 0)
        return code < 0x80 ? WEFT_OK : WEFT_REFUSED;
    link_lose(link);
    return WEFT_UNREACHABLE;
}

/* Bytes of a PUBLISH without properties (MQTT 5 section 3.3), its length field taken at its longest. */
static size_t packet_bytes(const char *topic, size_t length)
{
    return 1 + 4 + 2 + strlen(topic) + 2 + 1 + length;
}

static weft_status link_publish(weft__link *link, const char *topic, const uint8_t *payload, size_t length, int qos,
                                bool retain, int *ret_token)
{
    int token = 0;
    if (link->tx == NULL || !atomic_load(&link->up))
        return WEFT_UNREACHABLE;
    if (length > INT_MAX || packet_bytes(topic, length) > link->max_packet_bytes)
        return WEFT_TOO_LARGE;
    if (qos > 0 && (token = weft__mqtt_window_take(&link->window)) == 0)
        return WEFT_FULL;
    MQTTResponse response =
        MQTTClient_publish5(link->tx, topic, (int)length, payload, qos, retain, NULL, NULL /* see mqtt_window.h */);
    if (response.reasonCode != MQTTREASONCODE_SUCCESS)
        link_lose(link);
    /* A failed write is success to Paho, which would repeat it; here the caller does. */
    if (!atomic_load(&link->up))
        return WEFT_UNREACHABLE;
    if (ret_token != NULL)
        *ret_token = token;
    return WEFT_OK;
}

static void link_disconnect(weft__link *link)
{
    bool up = atomic_load(&link->up);
    pthread_mutex_lock(&process_lock);
    connection_close(link->tx, up ? GOODBYE_WAIT_MS : 0,
                     up ? MQTTREASONCODE_SUCCESS : MQTTREASONCODE_DISCONNECT_WITH_WILL_MESSAGE);
    connection_close(link->rx, 0, MQTTREASONCODE_SUCCESS);
    connection_close(link->peek, 0, MQTTREASONCODE_SUCCESS);
    pthread_mutex_unlock(&process_lock);
    gate_close(link);
}

/* ---- peek ---- */

static int peek_wait_ms(int64_t answered_ms)
{
    int64_t wait = 2 * answered_ms;
    return (int)(wait < PEEK_WAIT_MIN_MS ? PEEK_WAIT_MIN_MS : wait < PEEK_WAIT_MAX_MS ? wait : PEEK_WAIT_MAX_MS);
}

static weft_status retained_read(weft__link *link, const char *topic, uint8_t **ret, size_t *ret_bytes)
{
    int64_t start = now_ms();
    weft_status status = filter_subscribe(link->peek, topic, 1, 0);
    /* A broker that answers in order has sent the message before it answers a second time, however slow it is. */
    if (status == WEFT_OK)
        status = filter_subscribe(link->peek, topic, 1, 2);
    return status == WEFT_OK ? weft__mqtt_box_take(&link->box, peek_wait_ms(now_ms() - start), ret, ret_bytes) : status;
}

/* Stays connected when all went well, for the connect that follows: Paho's thread ends with the last connection, and to
 * end and start it takes 200 ms. */
static weft_status link_peek(weft__link *link, const char *topic, uint8_t **ret, size_t *ret_bytes, const char **reason)
{
    weft__link_limits ignored;
    weft__mqtt_box_empty(&link->box);
    pthread_mutex_lock(&process_lock);
    connection_close(link->peek, 0, MQTTREASONCODE_SUCCESS);
    weft_status status = connection_open(link, link->peek, CONNECTION_PEEK, true, &ignored);
    pthread_mutex_unlock(&process_lock);
    if (status == WEFT_OK) {
        status = retained_read(link, topic, ret, ret_bytes);
        if (status != WEFT_OK)
            reason_set(link, "the broker closed the connection at once, or refuses to tell who is there");
    }
    if (status != WEFT_OK) {
        pthread_mutex_lock(&process_lock);
        connection_close(link->peek, 0, MQTTREASONCODE_SUCCESS);
        pthread_mutex_unlock(&process_lock);
    }
    if (status != WEFT_OK && reason != NULL)
        *reason = link->reason;
    return status;
}

const weft__link_ops weft__mqtt_link = {
    .create = link_create,
    .connect = link_connect,
    .set_will = link_set_will,
    .subscribe = link_subscribe,
    .subscribe_many = link_subscribe_many,
    .unsubscribe = link_unsubscribe,
    .publish = link_publish,
    .peek = link_peek,
    .disconnect = link_disconnect,
    .destroy = link_destroy,
};
