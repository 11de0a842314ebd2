/* tests/bench/peers_glib.c: the work done by a GObject signal with the type as its detail. */
#include "bench/bench.h"
#include "bench/peers.h"

#include <glib-object.h>
#include <string.h>

typedef struct signal_rig {
    GObject parent;
    guint signal;
} signal_rig;

/* What a callback needs to know; its connection owns it. */
typedef struct subscriber {
    char *session_id;
    const char *source; /* a prefix */
    weft_handler_fn handler;
    void *user;
} subscriber;

static void on_event(signal_rig *rig, const weft_event *event, subscriber *s)
{
    (void)rig;
    if ((s->session_id != NULL && strcmp(event->session_id, s->session_id) != 0) ||
        (s->source != NULL && strncmp(event->source, s->source, strlen("agent")) != 0))
        return;
    if (s->handler(event, s->user) != WEFT_OK)
        bench_die("the handler failed");
}

static void subscriber_free(gpointer user, GClosure *closure)
{
    subscriber *s = user;
    (void)closure;
    g_free(s->session_id);
    g_free(s);
}

static void subscriber_connect(signal_rig *rig, const char *signal, const bench_work *work, unsigned i)
{
    char name[64];
    subscriber *s = g_new(subscriber, 1);
    *s = (subscriber){.session_id = g_strdup(bench_work_session(work, i)),
                      .source = work->by_source ? "agent" : NULL,
                      .handler = work->handler,
                      .user = &work->guards[i]};
    g_snprintf(name, sizeof name, "%s::%s", signal, weft_event_type_name(bench_work_type(work, i)));
    g_signal_connect_data(rig, name, G_CALLBACK(on_event), s, subscriber_free, 0);
}

static void signal_make(GType type, const char *name, GSignalCMarshaller marshaller)
{
    (void)g_signal_new(name, type, G_SIGNAL_RUN_LAST | G_SIGNAL_DETAILED, 0, NULL, NULL, marshaller, G_TYPE_NONE, 1,
                       G_TYPE_POINTER);
}

static GType rig_type(void)
{
    static GType type;
    if (type == 0) {
        GTypeInfo info = {.class_size = sizeof(GObjectClass), .instance_size = sizeof(signal_rig)};
        type = g_type_register_static(G_TYPE_OBJECT, "BenchSignals", &info, 0);
        signal_make(type, "event", NULL);
        signal_make(type, "generic", g_cclosure_marshal_generic);
    }
    return type;
}

static void *rig_create(const bench_work *work, const char *signal)
{
    signal_rig *rig = g_object_new(rig_type(), NULL);
    rig->signal = g_signal_lookup(signal, rig_type());
    for (unsigned i = 0; i < work->subscribers; i++)
        subscriber_connect(rig, signal, work, i);
    return rig;
}

static void *plain_create(const bench_work *work)
{
    return rig_create(work, "event");
}

static void *generic_create(const bench_work *work)
{
    return rig_create(work, "generic");
}

static void rig_publish(void *user, const weft_event *event, uint64_t times)
{
    signal_rig *rig = user;
    GQuark detail = g_quark_from_string(weft_event_type_name(event->type));
    for (uint64_t i = 0; i < times; i++)
        g_signal_emit(rig, rig->signal, detail, event);
}

const bench_peer bench_gsignal = {.create = plain_create, .destroy = g_object_unref, .publish = rig_publish};
const bench_peer bench_gsignal_generic = {.create = generic_create, .destroy = g_object_unref, .publish = rig_publish};
