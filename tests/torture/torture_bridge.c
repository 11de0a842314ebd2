/* The bridge when memory runs out: messages are taken apart or refused, the journal holds what it has accepted, and
 * whole bridges carry every accepted event, once, as soon as there is memory again. */
#include "bridge/bridge_rig.h"
#include "bridge/journal_rig.h"

#include "bridge/control.h"
#include "bridge/cursor.h"
#include "support/event_maker.h"
#include "support/fake_clock.h"
#include "support/torture/bridge/sqlite_hook.h"
#include "support/torture/torture.h"

enum { JOURNAL_ROWS = 8, EVENTS = 12 };

static bool ok_or_out(weft_status st)
{
    bool good = st == WEFT_OK || (torture_failed() && st == WEFT_NO_MEMORY);
    CU_ASSERT_TRUE(good);
    if (!good)
        (void)printf("      status: %s\n", weft_status_text(st));
    return st == WEFT_OK;
}

/* ---- messages ---- */

static void batch_scenario(void)
{
    event_maker maker = {.state = 1};
    weft_event events[3];
    const weft_event *list[3];
    weft_event ids[3] = {event_least(WEFT_TOKEN_USAGE), event_maker_full(&maker, WEFT_TOKEN_USAGE),
                         event_least(WEFT_TOKEN_USAGE)};
    for (size_t i = 0; i < 3; i++) {
        events[i] = ids[i];
        events[i].id = (weft_event_id){.node = "a", .epoch = 7, .seq = i + 1};
        list[i] = &events[i];
    }
    weft_lost lost = {.node = "a", .epoch = 7, .topic = WEFT_TOPIC_COST, .from_seq = 1, .to_seq = 2, .count = 2};
    weft_batch batch = {.node = "a",
                        .epoch = 7,
                        .topic = WEFT_TOPIC_COST,
                        .events = list,
                        .event_count = 3,
                        .lost = &lost,
                        .lost_count = 1};
    uint8_t *bytes = NULL, *merged = NULL;
    size_t length, merged_length;
    if (!ok_or_out(weft_batch_encode(&batch, &bytes, &length)))
        return;
    weft_batch *read = NULL;
    if (ok_or_out(weft_batch_decode(bytes, length, &read, NULL))) {
        CU_ASSERT_EQUAL(read->event_count, 3);
        weft_batch_free(read);
    }
    weft__bytes parts[] = {{bytes, length}};
    if (ok_or_out(weft__batch_merge(parts, 1, &merged, &merged_length)))
        free(merged);
    weft_text text = {0};
    if (ok_or_out(weft_message_to_json("weft/v1/dev/evt/cost/a", bytes, length, &text, NULL)))
        CU_ASSERT_TRUE(text.length > 0 || text.failed);
    weft_text_fini(&text);
    torture_relent();
    CU_ASSERT_EQUAL(weft_batch_decode(bytes, length, &read, NULL), WEFT_OK);
    weft_batch_free(read);
    free(bytes);
}

#define ROUND_TRIP(name, value)                                                                                        \
    do {                                                                                                               \
        uint8_t *bytes = NULL;                                                                                         \
        size_t length;                                                                                                 \
        weft__##name *read = NULL;                                                                                     \
        if (ok_or_out(weft__##name##_encode(&(value), &bytes, &length)) &&                                             \
            ok_or_out(weft__##name##_decode(bytes, length, &read, NULL)))                                              \
            free(read);                                                                                                \
        free(bytes);                                                                                                   \
    } while (0)

static void control_scenario(void)
{
    weft__position positions[] = {{7, WEFT_TOPIC_COST, 3, 3}, {7, WEFT_TOPIC_TOOL, 9, 9}};
    weft__live live = {.node = "a", .epoch = 7, .status = WEFT__LIVE_BIRTH, .previous = positions, .previous_count = 2};
    weft__model_totals models[] = {{.model = "m", .requests = 1}};
    weft__session_state sessions[] = {{.session_id = "s1"}, {.session_id = "s2"}};
    weft__state state = {
        .node = "a", .epoch = 7, .models = models, .model_count = 1, .sessions = sessions, .session_count = 2};
    weft__beat beat = {.node = "a", .epoch = 7, .streams = positions, .stream_count = 2};
    weft__command command = {.from = "a", .request_id = "1", .has_replay = true};
    command.replay.epoch = 7;
    command.replay.topic = WEFT_TOPIC_COST;
    command.replay.from_seq = 1;
    command.replay.to_seq = 9;
    weft_lost lost = {.node = "a", .epoch = 7, .topic = WEFT_TOPIC_COST, .from_seq = 1, .to_seq = 2};
    weft__reply reply = {.node = "a", .request_id = "1", .last = true, .lost = &lost, .lost_count = 1};
    ROUND_TRIP(live, live);
    ROUND_TRIP(state, state);
    ROUND_TRIP(beat, beat);
    ROUND_TRIP(command, command);
    ROUND_TRIP(reply, reply);
}

/* ---- the journal ---- */

static rig files;

static void files_remove(void)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock", ".damaged-1", ".damaged-2"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        (void)unlink(rig_name(&files, suffixes[i]));
}

static weft_status ignore_row(const weft__journal_row *row, void *user)
{
    (void)row, (void)user;
    return WEFT_OK;
}

/* Uses the open journal; notes which rows it has accepted. */
static void journal_use(bool accepted[JOURNAL_ROWS + 1])
{
    weft__feed_mark mark = {.feed = "f", .line = 3, .state = "st", .state_bytes = 2};
    for (uint64_t seq = 1; seq <= JOURNAL_ROWS; seq++) {
        weft__journal_row row = row_of(WEFT_TOPIC_COST, seq);
        accepted[seq] = ok_or_out(weft__journal_append(files.journal, &row, 1, &mark, seq == 2));
    }
    (void)weft__journal_acknowledge(files.journal, RIG_EPOCH, WEFT_TOPIC_COST, 1);
    uint64_t line, first_kept;
    char *state = NULL;
    size_t state_bytes;
    (void)weft__journal_feed(files.journal, "f", &line, &state, &state_bytes);
    free(state);
    (void)ok_or_out(weft__journal_each_pending(files.journal, 0, 100, ignore_row, NULL));
    (void)ok_or_out(weft__journal_each_in_range(files.journal, RIG_EPOCH, WEFT_TOPIC_COST, 2, 5, 100, ignore_row, NULL,
                                                &first_kept));
    (void)ok_or_out(weft__journal_trim(files.journal, 5000, NULL, NULL));
    (void)ok_or_out(weft__journal_sync(files.journal));
    (void)ok_or_out(weft__journal_checkpoint(files.journal));
}

static bool holds(const collected *rows, uint64_t seq)
{
    for (size_t i = 0; i < rows->count; i++)
        if (rows->rows[i].last_seq == seq)
            return true;
    return false;
}

static void journal_scenario(void)
{
    bool accepted[JOURNAL_ROWS + 1] = {0};
    files_remove();
    files.journal = NULL;
    if (ok_or_out(rig_open(&files))) {
        if (ok_or_out(weft__journal_begin_epoch(files.journal, RIG_EPOCH)))
            journal_use(accepted);
        rig_close(&files);
    }
    torture_relent();
    CU_ASSERT_EQUAL_FATAL(rig_open(&files), WEFT_OK);
    CU_ASSERT_FALSE(files.damaged);
    const collected *rows = pending(&files);
    CU_ASSERT_EQUAL(rows->damaged, 0);
    for (uint64_t seq = 2; seq <= JOURNAL_ROWS; seq++)
        CU_ASSERT_EQUAL(holds(rows, seq), accepted[seq]);
    CU_ASSERT_EQUAL(append_one(&files, WEFT_TOPIC_COST, JOURNAL_ROWS + 1), WEFT_OK);
    rig_close(&files);
}

/* ---- whole bridges ---- */

typedef struct world {
    fake_clock clock;
    fake_broker *broker;
    host *hosts[2];
} world;

static world *world_create(void)
{
    world *w = calloc(1, sizeof *w);
    w->broker = fake_broker_create(FAKE_PUMPED);
    fake_clock_init(&w->clock, 1000000);
    return w;
}

static void world_destroy(world *w, host *a, host *b)
{
    if (a != NULL)
        host_destroy(a);
    host_destroy(b);
    fake_broker_destroy(w->broker);
    free(w);
}

static weft_status bridge_start(world *w, host *h)
{
    weft_bridge_opts opts = {.url = fake_broker_url(w->broker),
                             .fabric = "dev",
                             .node = h->name,
                             .journal_path = h->journal[0] != '\0' ? h->journal : NULL,
                             .on_notice = on_notice,
                             .user = h};
    weft__bridge_env env = {.link_ops = &fake_link, .random_seed = 1, .driven = true};
    return weft__bridge_create_in(h->bus, &opts, &env, &h->bridge, NULL);
}

/* A host without threads; its bridge may be missing for want of memory. */
static host *driven_start(world *w, const char *name, uint32_t topics, const char *journal)
{
    host *h = calloc(1, sizeof *h);
    h->broker = w->broker;
    h->name = name;
    (void)snprintf(h->journal, sizeof h->journal, "%s", journal != NULL ? journal : "");
    pthread_mutex_init(&h->mutex, NULL);
    weft_dispatcher_opts bus_opts = {.clock = &w->clock.clock};
    weft_filter filter = {.topics = topics, .origin = WEFT_ORIGIN_REMOTE};
    weft_subscribe_opts how = {.on_lost = on_lost};
    if (ok_or_out(weft_dispatcher_create(&bus_opts, &h->bus)) &&
        (topics == 0 || ok_or_out(weft_subscribe_with(h->bus, &filter, &how, on_event, h, NULL))))
        (void)ok_or_out(bridge_start(w, h));
    return h;
}

static void run_ms(world *w, int64_t ms)
{
    enum { STEP_MS = 20 };
    for (int64_t at = 0; at < ms; at += STEP_MS) {
        for (size_t i = 0; i < 2; i++)
            for (unsigned id = 0; w->hosts[i] != NULL && id < WEFT__AGENT_COUNT; id++)
                (void)w->hosts[i]->bridge->agents[id].turn(w->hosts[i]->bridge);
        (void)fake_broker_pump(w->broker);
        fake_clock_advance(&w->clock, STEP_MS);
    }
}

static void bridges_use(world *w)
{
    host *a = w->hosts[0], *b = w->hosts[1];
    size_t accepted = 0;
    run_ms(w, 1000);
    for (uint64_t value = 1; value <= EVENTS; value++) {
        if (value == EVENTS / 2)
            fake_broker_add_fault(w->broker, &(fake_fault){.action = FAKE_DROP, .filter = "weft/v1/dev/evt/#"});
        if (publish(a, accepted + 1) == WEFT_OK)
            accepted++;
        run_ms(w, 100);
    }
    run_ms(w, 6000);
    torture_relent();
    bool recovered = false;
    for (int rounds = 0; rounds < 100 && !recovered; rounds++) {
        recovered = publish(a, accepted + 1) == WEFT_OK;
        run_ms(w, 500);
    }
    CU_ASSERT_TRUE(recovered);
    accepted += recovered;
    for (int rounds = 0; rounds < 100 && b->count < accepted; rounds++)
        run_ms(w, 3000);
    CU_ASSERT_TRUE(has_each_once(b, 1, accepted));
    CU_ASSERT_EQUAL(b->lost_reports, 0);
    weft_bridge_stats stats;
    weft_bridge_get_stats(a->bridge, &stats);
    CU_ASSERT_EQUAL(stats.lost_events, 0);
    CU_ASSERT_EQUAL(stats.pending_events, 0);
}

static void bridges_scenario(void)
{
    world *w = world_create();
    host *b = driven_start(w, "b", WEFT_TOPIC_COST, NULL), *a = NULL;
    if (b->bridge != NULL) {
        w->hosts[1] = b;
        run_ms(w, 1000); /* so that all of the other's streams begin after it listens */
        a = driven_start(w, "a", 0, NULL);
    }
    if (a != NULL && a->bridge != NULL) {
        w->hosts[0] = a;
        bridges_use(w);
        CU_ASSERT_EQUAL(weft_bridge_stop(a->bridge, 1), WEFT_OK);
    }
    world_destroy(w, a, b);
}

/* ---- pieces of answers, which may be lost, but not from the books ---- */

static bool piece_publish(host *h, unsigned call)
{
    static const char *const requests[] = {"r0", "r1", "r2"};
    weft_event event = {.type = WEFT_LLM_TEXT_DELTA,
                        .session_id = "s1",
                        .llm_text_delta = {.model = "m", .request_id = requests[call % 3], .text = "pie"}};
    return ok_or_out(weft_publish(h->bus, &event));
}

static weft_stream_account pieces_of(host *h, bool own)
{
    weft_account *a;
    weft_stream_account row = {0};
    CU_ASSERT_EQUAL_FATAL(weft_bridge_account(h->bridge, &a), WEFT_OK);
    for (size_t i = 0; i < a->stream_count; i++)
        if (a->streams[i].topic == WEFT_TOPIC_DELTA && a->streams[i].own == own)
            row = a->streams[i];
    weft_account_free(a);
    return row;
}

static void pieces_use(world *w)
{
    uint64_t accepted = 0;
    run_ms(w, 1000);
    for (unsigned i = 0; i < 5 * EVENTS; i++) {
        accepted += piece_publish(w->hosts[0], i);
        if (i % 5 == 4)
            run_ms(w, 60);
    }
    run_ms(w, 6000);
    torture_relent();
    run_ms(w, 1000);
    accepted += piece_publish(w->hosts[0], 0); /* tells of what was lost before it */
    run_ms(w, 20000);
    weft_stream_account own = pieces_of(w->hosts[0], true), got = pieces_of(w->hosts[1], false);
    uint64_t numbered = own.sent + weft_stream_account_lost(&own);
    CU_ASSERT_EQUAL(own.published, accepted);
    CU_ASSERT_EQUAL(own.pending, 0);
    CU_ASSERT_EQUAL(own.published, own.joined + numbered);
    CU_ASSERT_EQUAL(got.published, numbered);
    CU_ASSERT_EQUAL(got.before + got.delivered + weft_stream_account_lost(&got), numbered);
    CU_ASSERT_EQUAL(got.unaccounted, 0);
}

static void pieces_scenario(void)
{
    world *w = world_create();
    host *b = driven_start(w, "b", WEFT_TOPIC_DELTA, NULL), *a = NULL;
    if (b->bridge != NULL) {
        w->hosts[1] = b;
        run_ms(w, 1000);
        a = driven_start(w, "a", 0, NULL);
    }
    if (a != NULL && a->bridge != NULL) {
        w->hosts[0] = a;
        pieces_use(w);
    }
    world_destroy(w, a, b);
}

/* ---- a life, and the next one ---- */

static weft_status publish_grouped(host *h, uint64_t value)
{
    weft_event event = {.type = WEFT_TOKEN_USAGE,
                        .session_id = "s1",
                        .token_usage = {.model = "m", .input_tokens = value, .cost_usd = 0.001}};
    const weft_event *events[] = {&event};
    weft_feed_mark mark = {.feed = "f", .line = value, .state = "here", .state_bytes = 4};
    uint64_t receipt;
    return weft_bridge_publish_group(h->bridge, events, 1, &mark, &receipt, NULL);
}

/* Publishes while the broker is away, ends, and comes back with its journal. */
static void lives_use(world *w, host *a)
{
    size_t accepted = 0;
    fake_broker_stop(w->broker);
    for (unsigned i = 0; i < EVENTS; i++) {
        accepted += publish_grouped(a, accepted + 1) == WEFT_OK;
        run_ms(w, 100);
    }
    run_ms(w, 1000);
    torture_relent();
    run_ms(w, 5000); /* what could not be written is tried again */
    weft_bridge_destroy(a->bridge);
    a->bridge = NULL;
    w->hosts[0] = NULL;
    fake_broker_start(w->broker);
    CU_ASSERT_EQUAL_FATAL(bridge_start(w, a), WEFT_OK);
    w->hosts[0] = a;
    for (int rounds = 0; rounds < 100 && w->hosts[1]->count < accepted; rounds++)
        run_ms(w, 3000);
    CU_ASSERT_TRUE(accepted == 0 || has_each_once(w->hosts[1], 1, accepted));
    CU_ASSERT_EQUAL(w->hosts[1]->lost_reports, 0);
}

static void lives_scenario(void)
{
    world *w = world_create();
    host *b = driven_start(w, "b", WEFT_TOPIC_COST, NULL), *a = NULL;
    files_remove();
    if (b->bridge != NULL) {
        w->hosts[1] = b;
        run_ms(w, 1000);
        a = driven_start(w, "a", 0, files.path);
    }
    if (a != NULL && a->bridge != NULL) {
        w->hosts[0] = a;
        lives_use(w, a);
    }
    world_destroy(w, a, b);
}

/* ---- cursors and accounts ---- */

static weft_status on_cursor_event(const weft_event *event, void *user)
{
    return on_event(event, user);
}

static void cursor_run(world *w, weft_cursor *cursor, host *seen, size_t wanted)
{
    for (int rounds = 0; rounds < 3000 && seen->count < wanted; rounds++) {
        run_ms(w, 100);
        (void)weft__cursor_turn(cursor);
    }
}

static void cursor_use(world *w, host *seen)
{
    host *a = w->hosts[0], *b = w->hosts[1];
    size_t accepted = 0;
    weft_cursor *cursor = NULL;
    weft_cursor_opts opts = {
        .name = "c", .path = files.path, .topics = WEFT_TOPIC_COST, .on_event = on_cursor_event, .user = seen};
    run_ms(w, 1000);
    bool opened = weft_cursor_open(b->bridge, &opts, &cursor, NULL) == WEFT_OK;
    for (unsigned i = 0; opened && i < EVENTS; i++) {
        accepted += publish(a, accepted + 1) == WEFT_OK;
        run_ms(w, 100);
        (void)weft__cursor_turn(cursor);
    }
    weft_account *account = NULL;
    if (ok_or_out(weft_bridge_account(b->bridge, &account)))
        weft_account_free(account);
    torture_relent();
    if (opened)
        cursor_run(w, cursor, seen, accepted);
    CU_ASSERT_TRUE(accepted == 0 || has_each_once(seen, 1, accepted));
    weft_cursor_close(cursor);
}

static void cursor_scenario(void)
{
    world *w = world_create();
    host *seen = calloc(1, sizeof *seen);
    pthread_mutex_init(&seen->mutex, NULL);
    host *b = driven_start(w, "b", WEFT_TOPIC_COST, NULL), *a = NULL;
    files_remove();
    if (b->bridge != NULL) {
        w->hosts[1] = b;
        run_ms(w, 1000);
        a = driven_start(w, "a", 0, NULL);
    }
    if (a != NULL && a->bridge != NULL) {
        w->hosts[0] = a;
        cursor_use(w, seen);
    }
    world_destroy(w, a, b);
    pthread_mutex_destroy(&seen->mutex);
    free(seen);
}

/* ---- the link to a real broker, which is not there ---- */

static void hear_nothing(void *user, const char *topic, const uint8_t *payload, size_t length, bool retained)
{
    (void)user, (void)topic, (void)payload, (void)length, (void)retained;
}

static void hear_no_ack(void *user, int token, weft_status status)
{
    (void)user, (void)token, (void)status;
}

static void hear_no_end(void *user)
{
    (void)user;
}

static void link_scenario(void)
{
    weft__link_callbacks callbacks = {hear_nothing, hear_no_ack, hear_no_end, NULL};
    weft__link_opts opts = {.url = "mqtt://127.0.0.1:1", /* nobody listens at tcpmux */
                            .client_id = "weft:dev:torture",
                            .username = "u",
                            .password = "p",
                            .will_topic = "live/a",
                            .will = (const uint8_t *)"gone",
                            .will_bytes = 4,
                            .connect_timeout_s = 1};
    weft__link *link = NULL;
    const char *reason = NULL;
    if (!ok_or_out(weft__mqtt_link.create(&opts, &callbacks, &link)))
        return;
    (void)ok_or_out(weft__mqtt_link.set_will(link, (const uint8_t *)"bye", 3));
    CU_ASSERT_EQUAL(weft__mqtt_link.connect(link, true, NULL, &reason), WEFT_UNREACHABLE);
    CU_ASSERT_PTR_NOT_NULL(reason);
    weft__mqtt_link.destroy(link);
}

/* ---- cases ---- */

static void events_are_encoded_and_decoded_or_refused(void)
{
    torture_each(batch_scenario);
}

static void control_messages_are_encoded_and_decoded_or_refused(void)
{
    torture_each(control_scenario);
}

static void a_journal_holds_what_it_accepted(void)
{
    rig_prepare(&files);
    torture_each(journal_scenario);
    files_remove();
    (void)rmdir(files.directory);
}

static void bridges_carry_what_was_accepted(void)
{
    torture_each(bridges_scenario);
}

static void pieces_are_sent_or_counted(void)
{
    torture_each(pieces_scenario);
}

static void the_next_life_sends_what_was_accepted(void)
{
    rig_prepare(&files);
    torture_each(lives_scenario);
    files_remove();
    (void)rmdir(files.directory);
}

static void a_cursor_handles_each_event_once(void)
{
    rig_prepare(&files);
    torture_each(cursor_scenario);
    files_remove();
    (void)rmdir(files.directory);
}

static void a_link_fails_as_a_whole(void)
{
    torture_each(link_scenario);
}

int main(int argc, char **argv)
{
    static const suite_case cases[] = {CASE(events_are_encoded_and_decoded_or_refused),
                                       CASE(control_messages_are_encoded_and_decoded_or_refused),
                                       CASE(a_journal_holds_what_it_accepted),
                                       CASE(bridges_carry_what_was_accepted),
                                       CASE(pieces_are_sent_or_counted),
                                       CASE(the_next_life_sends_what_was_accepted),
                                       CASE(a_cursor_handles_each_event_once),
                                       CASE(a_link_fails_as_a_whole)};
    if (!sqlite_hook())
        return 2;
    return suite_run("torture_bridge", cases, sizeof cases / sizeof *cases, argc, argv);
}
