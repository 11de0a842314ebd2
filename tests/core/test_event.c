/* Names, kept copies, legacy events and money, as a user of weft/event.h sees them. */
#include "weft/event.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "core/event_private.h"
#include "support/suite.h"
#include "weft/clock.h"

static void topics_answer_to_name_and_number(void)
{
    CU_ASSERT_STRING_EQUAL(weft_topic_name(WEFT_TOPIC_COST), "cost");
    CU_ASSERT_EQUAL(weft_topic_from_name("session"), WEFT_TOPIC_SESSION);
    CU_ASSERT_EQUAL(weft_topic_number(WEFT_TOPIC_CUSTOM), 7);
    for (unsigned number = 1; number < WEFT_TOPIC_MAX; number++) {
        weft_topic topic = weft_topic_from_number(number);
        CU_ASSERT_EQUAL(weft_topic_number(topic), number);
        CU_ASSERT_EQUAL(weft_topic_from_name(weft_topic_name(topic)), topic);
    }
}

static void unknown_topics_are_zero(void)
{
    CU_ASSERT_EQUAL(weft_topic_from_name("costs"), 0);
    CU_ASSERT_EQUAL(weft_topic_from_name(""), 0);
    CU_ASSERT_EQUAL(weft_topic_from_name(NULL), 0);
    CU_ASSERT_EQUAL(weft_topic_from_number(0), 0);
    CU_ASSERT_EQUAL(weft_topic_from_number(WEFT_TOPIC_MAX), 0);
    CU_ASSERT_EQUAL(weft_topic_number((weft_topic)(WEFT_TOPIC_COST | WEFT_TOPIC_TOOL)), 0);
    CU_ASSERT_PTR_NOT_NULL(weft_topic_name((weft_topic)0));
}

static void types_answer_to_their_name(void)
{
    CU_ASSERT_STRING_EQUAL(weft_event_type_name(WEFT_TOKEN_USAGE), "token_usage");
    for (int type = 1; type < WEFT_EVENT_TYPE_COUNT; type++)
        CU_ASSERT_EQUAL((int)weft_event_type_from_name(weft_event_type_name((weft_event_type)type)), type);
    CU_ASSERT_EQUAL(weft_event_type_from_name("token_usages"), WEFT_EVENT_NONE);
    CU_ASSERT_EQUAL(weft_event_type_from_name(NULL), WEFT_EVENT_NONE);
    CU_ASSERT_PTR_NOT_NULL(weft_event_type_name(WEFT_EVENT_TYPE_COUNT));
}

static void every_event_has_topic_time_and_priority(void)
{
    weft_event event = {.type = WEFT_BUDGET_EXHAUSTED, .timestamp_ms = 5, .priority = WEFT_PRIORITY_HIGH};
    CU_ASSERT_EQUAL(weft_event_topic(&event), WEFT_TOPIC_COST);
    CU_ASSERT_EQUAL(weft_event_timestamp_ms(&event), 5);
    CU_ASSERT_EQUAL(weft_event_priority(&event), WEFT_PRIORITY_HIGH);
    weft_event unknown = {.type = (weft_event_type)4711};
    CU_ASSERT_EQUAL(weft_event_topic(&unknown), WEFT_TOPIC_CUSTOM);
    CU_ASSERT_EQUAL(weft_event_timestamp_ms(&unknown), 0);
    CU_ASSERT_EQUAL(weft_event_priority(&unknown), WEFT_PRIORITY_NORMAL);
}

static void a_legacy_event_becomes_custom(void)
{
    weft_event event = weft_event_from_legacy("build.done", "ci", "{\"ok\":true}", 1234);
    CU_ASSERT_EQUAL(event.type, WEFT_CUSTOM);
    CU_ASSERT_EQUAL(event.timestamp_ms, 1234);
    CU_ASSERT_STRING_EQUAL(event.custom.event_type, "build.done");
    CU_ASSERT_STRING_EQUAL(event.custom.source, "ci");
    CU_ASSERT_STRING_EQUAL(event.source, "ci");
    CU_ASSERT_STRING_EQUAL(event.custom.data_json, "{\"ok\":true}");
    CU_ASSERT_EQUAL(weft_event_validate(&event, NULL), WEFT_OK);
}

/* Everything that a copy has to bring along, in memory that the caller then destroys. */
typedef struct full_event {
    char text[6][16];
    const char *tags[2];
    weft_attribute attributes[2];
    weft_event event;
} full_event;

static void full_event_init(full_event *f)
{
    *f = (full_event){.text = {"host-a", "s1", "model-x", "red", "team", "core"}};
    f->tags[0] = f->text[3];
    f->tags[1] = "";
    f->attributes[0] = (weft_attribute){f->text[4], f->text[5]};
    f->attributes[1] = (weft_attribute){"empty", NULL};
    f->event = (weft_event){
        .type = WEFT_TOKEN_USAGE,
        .accepted_ms = 99,
        .id = {f->text[0], 3, 7},
        .session_id = f->text[1],
        .tags = f->tags,
        .tag_count = 2,
        .attributes = f->attributes,
        .attribute_count = 2,
        .token_usage = {.model = f->text[2], .input_tokens = 9, .cost_usd = 0.25},
    };
}

static void a_kept_event_outlives_what_it_was_made_from(void)
{
    full_event f;
    full_event_init(&f);
    const weft_event *kept = weft_event_keep(&f.event);
    CU_ASSERT_PTR_NOT_NULL_FATAL(kept);
    memset(&f, 'x', sizeof f);
    CU_ASSERT_EQUAL(kept->type, WEFT_TOKEN_USAGE);
    CU_ASSERT_EQUAL(kept->accepted_ms, 99);
    CU_ASSERT_STRING_EQUAL(kept->id.node, "host-a");
    CU_ASSERT_EQUAL(kept->id.seq, 7);
    CU_ASSERT_STRING_EQUAL(kept->session_id, "s1");
    CU_ASSERT_PTR_NULL(kept->agent_id);
    CU_ASSERT_STRING_EQUAL(kept->token_usage.model, "model-x");
    CU_ASSERT_EQUAL(kept->token_usage.input_tokens, 9);
    CU_ASSERT_EQUAL(kept->token_usage.cost_usd, 0.25);
    CU_ASSERT_STRING_EQUAL(kept->tags[0], "red");
    CU_ASSERT_STRING_EQUAL(kept->tags[1], "");
    CU_ASSERT_STRING_EQUAL(kept->attributes[0].key, "team");
    CU_ASSERT_STRING_EQUAL(kept->attributes[0].value, "core");
    CU_ASSERT_PTR_NULL(kept->attributes[1].value);
    weft_event_release(kept);
}

static void keeping_a_kept_event_shares_it(void)
{
    weft_event event = {.type = WEFT_AGENT_START, .agent_id = "a", .agent_start = {.task = "t"}};
    const weft_event *first = weft_event_keep(&event);
    const weft_event *second = weft_event_keep(first);
    CU_ASSERT_PTR_EQUAL(first, second);
    CU_ASSERT_TRUE(weft__event_is_kept(first));
    weft_event_release(first);
    CU_ASSERT_STRING_EQUAL(second->agent_start.task, "t");
    weft_event_release(second);
    weft_event_release(NULL);
}

static void kept_bytes_count_the_strings(void)
{
    weft_event small = {.type = WEFT_AGENT_ERROR, .agent_error = {.error = "x"}};
    weft_event large = {.type = WEFT_AGENT_ERROR, .agent_error = {.error = "xxxxxxxxxxx"}};
    CU_ASSERT_EQUAL(weft_event_kept_bytes(&large), weft_event_kept_bytes(&small) + 10);
    CU_ASSERT_TRUE(weft_event_kept_bytes(&small) > sizeof(weft_event));
    const weft_event *kept = weft_event_keep(&large);
    CU_ASSERT_EQUAL(weft_event_kept_bytes(kept), weft_event_kept_bytes(&large));
    weft_event_release(kept);
}

static void a_loan_makes_one_copy_for_all_keepers(void)
{
    weft_event event = {.type = WEFT_AGENT_ERROR, .agent_error = {.error = "lost"}};
    weft__loan loan;
    weft__event_borrow(&loan, &event);
    loan.event.accepted_ms = 42;
    CU_ASSERT_FALSE(weft__event_is_kept(&loan.event));
    const weft_event *first = weft_event_keep(&loan.event);
    const weft_event *second = weft_event_keep(&loan.event);
    CU_ASSERT_PTR_EQUAL(first, second);
    CU_ASSERT_PTR_NOT_EQUAL(first, &loan.event);
    CU_ASSERT_EQUAL(first->accepted_ms, 42);
    CU_ASSERT_PTR_NULL(event.keeper);
    weft__loan_done(&loan);
    weft_event_release(first);
    CU_ASSERT_STRING_EQUAL(second->agent_error.error, "lost");
    weft_event_release(second);
}

static void one_keep_takes_many_references(void)
{
    weft_event event = {.type = WEFT_AGENT_ERROR, .agent_error = {.error = "e"}};
    weft__loan loan;
    weft__event_borrow(&loan, &event);
    const weft_event *kept = weft__event_keep_n(&loan.event, 2);
    CU_ASSERT_PTR_EQUAL(weft__event_keep_n(kept, 3), kept);
    weft__loan_done(&loan);
    for (int i = 0; i < 4; i++)
        weft_event_release(kept);
    CU_ASSERT_STRING_EQUAL(kept->agent_error.error, "e");
    weft_event_release(kept);
}

static void a_measured_loan_is_copied_as_any(void)
{
    full_event f;
    full_event_init(&f);
    f.tags[1] = "blue";
    weft__layout layout;
    CU_ASSERT_EQUAL_FATAL(weft__event_check(&f.event, &layout, NULL), WEFT_OK);
    weft__loan loan;
    weft__event_borrow(&loan, &f.event);
    loan.layout = &layout;
    loan.event.id.node = "a longer name of a node";
    const weft_event *kept = weft_event_keep(&loan.event);
    weft__loan_done(&loan);
    CU_ASSERT_EQUAL(weft_event_kept_bytes(kept), weft_event_kept_bytes(&loan.event));
    memset(&f, 'x', sizeof f);
    CU_ASSERT_STRING_EQUAL(kept->id.node, "a longer name of a node");
    CU_ASSERT_STRING_EQUAL(kept->session_id, "s1");
    CU_ASSERT_PTR_NULL(kept->agent_id);
    CU_ASSERT_STRING_EQUAL(kept->token_usage.model, "model-x");
    CU_ASSERT_STRING_EQUAL(kept->tags[0], "red");
    CU_ASSERT_STRING_EQUAL(kept->attributes[0].value, "core");
    CU_ASSERT_PTR_NULL(kept->attributes[1].value);
    weft_event_release(kept);
}

static void measuring_finds_what_checking_found(void)
{
    full_event f;
    full_event_init(&f);
    f.tags[1] = "blue";
    f.event.source = "";
    weft__layout checked, measured;
    CU_ASSERT_EQUAL_FATAL(weft__event_check(&f.event, &checked, NULL), WEFT_OK);
    weft__event_measure(&f.event, &measured);
    CU_ASSERT_EQUAL(checked.bytes, measured.bytes);
    for (int i = 0; i < 8; i++) /* source and ids, model */
        CU_ASSERT_EQUAL(checked.sizes[i], measured.sizes[i]);
    CU_ASSERT_EQUAL(measured.sizes[0], 1);
    CU_ASSERT_EQUAL(measured.sizes[7], sizeof "model-x");
}

static void a_plan_has_every_string_of_its_type(void)
{
    size_t count;
    const weft_field *envelope = weft_envelope_fields(&count);
    unsigned shared = 0;
    for (size_t i = 0; i < count; i++)
        shared += weft__field_is_string(&envelope[i]);
    for (int type = 1; type < WEFT_EVENT_TYPE_COUNT; type++) {
        const weft_schema *schema = weft_schema_of((weft_event_type)type);
        unsigned own = 0;
        for (size_t i = 0; i < schema->field_count; i++)
            own += schema->fields[i].number != 0 && weft__field_is_string(&schema->fields[i]);
        CU_ASSERT_TRUE(shared + own <= WEFT__PLAN_STRINGS_MAX);
        CU_ASSERT_EQUAL(weft__plan_of((weft_event_type)type)->string_count, shared + own);
    }
}

static void the_last_keep_of_a_loan_takes_its_reference(void)
{
    weft_event event = {.type = WEFT_AGENT_ERROR, .agent_error = {.error = "e"}};
    weft__loan loan;
    weft__event_borrow(&loan, &event);
    const weft_event *fresh = weft__loan_keep_last(&loan, 1);
    CU_ASSERT_PTR_NULL(atomic_load(&loan.keeper.kept));
    const weft_event *own = weft_event_keep(&loan.event);
    CU_ASSERT_PTR_NOT_EQUAL(own, fresh);
    CU_ASSERT_PTR_EQUAL(weft__loan_keep_last(&loan, 2), own);
    CU_ASSERT_PTR_NULL(atomic_load(&loan.keeper.kept));
    weft__loan_done(&loan);
    weft_event_release(fresh);
    for (int i = 0; i < 2; i++)
        weft_event_release(own);
    CU_ASSERT_STRING_EQUAL(own->agent_error.error, "e");
    weft_event_release(own);
}

static int64_t fixed_ms(void *user)
{
    return *(const int64_t *)user;
}

static void keepers_in_a_pass_share_a_stamped_copy(void)
{
    int64_t now = 77;
    weft_clock clock = {.wall_ms = fixed_ms, .user = &now};
    weft_event event = {.type = WEFT_AGENT_ERROR, .agent_error = {.error = "e"}};
    weft__pass pass;
    weft__pass_begin(&pass, &event, &clock);
    const weft_event *first = weft_event_keep(&event);
    now = 78;
    const weft_event *second = weft_event_keep(&event);
    weft__pass_end(&pass);
    const weft_event *after = weft_event_keep(&event);
    CU_ASSERT_PTR_EQUAL(first, second);
    CU_ASSERT_PTR_NOT_EQUAL(first, after);
    CU_ASSERT_EQUAL(first->accepted_ms, 77);
    CU_ASSERT_EQUAL(first->timestamp_ms, 77);
    CU_ASSERT_EQUAL(event.accepted_ms, 0);
    CU_ASSERT_EQUAL(after->accepted_ms, 0);
    weft_event_release(first);
    CU_ASSERT_STRING_EQUAL(second->agent_error.error, "e");
    weft_event_release(second);
    weft_event_release(after);
}

static void a_pass_inside_another_leaves_the_outer_one(void)
{
    int64_t now = 1;
    weft_clock clock = {.wall_ms = fixed_ms, .user = &now};
    weft_event outer_event = {.type = WEFT_CONFIG_RELOADED, .timestamp_ms = 5}, inner_event = outer_event;
    weft__pass outer, inner;
    weft__pass_begin(&outer, &outer_event, &clock);
    weft__pass_begin(&inner, &inner_event, &clock);
    const weft_event *of_outer = weft_event_keep(&outer_event);
    const weft_event *of_inner = weft_event_keep(&inner_event);
    weft__pass_end(&inner);
    CU_ASSERT_PTR_EQUAL(weft_event_keep(&outer_event), of_outer);
    CU_ASSERT_PTR_NOT_EQUAL(of_inner, of_outer);
    CU_ASSERT_EQUAL(of_outer->timestamp_ms, 5);
    CU_ASSERT_EQUAL(of_outer->accepted_ms, 1);
    weft__pass_end(&outer);
    CU_ASSERT_PTR_NULL(weft__passing);
    weft_event_release(of_inner);
    weft_event_release(of_outer);
    weft_event_release(of_outer);
}

static void a_copy_out_of_a_pass_is_a_plain_event(void)
{
    int64_t now = 1;
    weft_clock clock = {.wall_ms = fixed_ms, .user = &now};
    weft_event event = {.type = WEFT_CONFIG_RELOADED};
    weft__pass pass;
    weft__pass_begin(&pass, &event, &clock);
    weft_event changed = event;
    changed.type = WEFT_AGENT_END;
    const weft_event *kept = weft_event_keep(&changed);
    CU_ASSERT_EQUAL(kept->type, WEFT_AGENT_END);
    CU_ASSERT_EQUAL(kept->accepted_ms, 0);
    CU_ASSERT_PTR_NULL(pass.kept);
    weft__pass_end(&pass);
    weft_event_release(kept);
}

static void an_initialised_event_takes_over_the_envelope_only(void)
{
    full_event f;
    full_event_init(&f);
    weft_event event;
    memset(&event, 'x', sizeof event);
    weft_event_init(&event, &f.event, WEFT_CUSTOM);
    CU_ASSERT_EQUAL(event.type, WEFT_CUSTOM);
    CU_ASSERT_PTR_EQUAL(event.session_id, f.event.session_id);
    CU_ASSERT_EQUAL(event.tag_count, 2);
    CU_ASSERT_PTR_EQUAL(event.attributes, f.attributes);
    CU_ASSERT_EQUAL(event.accepted_ms, 0);
    CU_ASSERT_PTR_NULL(event.id.node);
    CU_ASSERT_EQUAL(event.id.seq, 0);
    CU_ASSERT_PTR_NULL(event.custom.event_type);
    CU_ASSERT_EQUAL(event.token_usage.cost_usd, 0);
    CU_ASSERT_PTR_NULL(event.keeper);
    memset(&event, 'x', sizeof event);
    weft_event_init(&event, NULL, WEFT_AGENT_START);
    CU_ASSERT_EQUAL(event.type, WEFT_AGENT_START);
    CU_ASSERT_PTR_NULL(event.session_id);
    CU_ASSERT_PTR_NULL(event.agent_start.task);
    CU_ASSERT_PTR_NULL(event.keeper);
}

/* A handler may keep what nobody has validated. */
static void arrays_that_are_missing_are_kept_as_empty(void)
{
    weft_event event = {.type = WEFT_CONFIG_RELOADED, .tag_count = 2, .attribute_count = 1};
    const weft_event *kept = weft_event_keep(&event);
    CU_ASSERT_EQUAL(kept->tag_count, 0);
    CU_ASSERT_EQUAL(kept->attribute_count, 0);
    weft_event_release(kept);
}

static void a_loan_nobody_keeps_costs_nothing(void)
{
    weft_event event = {.type = WEFT_CONFIG_RELOADED};
    weft__loan loan;
    weft__event_borrow(&loan, &event);
    CU_ASSERT_PTR_NULL(atomic_load(&loan.keeper.kept));
    weft__loan_done(&loan);
}

static void a_changed_copy_of_a_kept_event_is_kept_anew(void)
{
    weft_event event = {.type = WEFT_AGENT_ERROR, .agent_error = {.error = "first"}};
    const weft_event *kept = weft_event_keep(&event);
    weft_event changed = *kept;
    changed.agent_error.error = "second";
    weft_event_release(kept); /* changed.keeper points nowhere now */
    const weft_event *other = weft_event_keep(&changed);
    CU_ASSERT_STRING_EQUAL(other->agent_error.error, "second");
    weft_event_release(other);
}

static void a_stamped_loan_of_a_kept_event_is_kept_anew(void)
{
    weft_event event = {.type = WEFT_AGENT_ERROR, .agent_error = {.error = "e"}};
    const weft_event *kept = weft_event_keep(&event);
    weft__loan loan;
    weft__event_borrow(&loan, kept);
    loan.event.id.seq = 8;
    const weft_event *stamped = weft_event_keep(&loan.event);
    weft__loan_done(&loan);
    CU_ASSERT_EQUAL(stamped->id.seq, 8);
    CU_ASSERT_EQUAL(kept->id.seq, 0);
    weft_event_release(kept);
    weft_event_release(stamped);
}

static void an_event_of_unknown_type_is_kept_without_payload(void)
{
    weft_event event = {.type = WEFT_EVENT_NONE, .source = "s", .custom = {.event_type = (const char *)1}};
    const weft_event *kept = weft_event_keep(&event);
    CU_ASSERT_STRING_EQUAL(kept->source, "s");
    CU_ASSERT_PTR_NULL(kept->custom.event_type);
    weft_event_release(kept);
}

enum { KEEPERS = 4 };

typedef struct keep_race {
    pthread_barrier_t gate;
    weft__loan loan;
    const weft_event *kept[KEEPERS];
    atomic_uint next;
} keep_race;

static void *race_keep(void *user)
{
    keep_race *race = user;
    unsigned index = atomic_fetch_add(&race->next, 1);
    pthread_barrier_wait(&race->gate);
    race->kept[index] = weft_event_keep(&race->loan.event);
    return NULL;
}

static void threads_that_keep_one_loan_share_its_copy(void)
{
    weft_event event = {.type = WEFT_AGENT_ERROR, .agent_error = {.error = "e"}};
    for (int round = 0; round < 20; round++) {
        keep_race race = {.next = 0};
        pthread_t threads[KEEPERS];
        pthread_barrier_init(&race.gate, NULL, KEEPERS);
        weft__event_borrow(&race.loan, &event);
        for (int i = 0; i < KEEPERS; i++)
            CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, race_keep, &race), 0);
        for (int i = 0; i < KEEPERS; i++)
            pthread_join(threads[i], NULL);
        weft__loan_done(&race.loan);
        for (int i = 0; i < KEEPERS; i++) {
            CU_ASSERT_PTR_EQUAL(race.kept[i], race.kept[0]);
            CU_ASSERT_STRING_EQUAL(race.kept[i]->agent_error.error, "e");
        }
        for (int i = 0; i < KEEPERS; i++)
            weft_event_release(race.kept[i]);
        pthread_barrier_destroy(&race.gate);
    }
}

static void money_rounds_to_the_nearest_nano_usd(void)
{
    CU_ASSERT_EQUAL(weft_nano_usd(0.02), 20000000);
    CU_ASSERT_EQUAL(weft_nano_usd(0.29), 290000000);
    CU_ASSERT_EQUAL(weft_nano_usd(1e-9 * 0.6), 1);
    CU_ASSERT_EQUAL(weft_nano_usd(1e-9 * 0.4), 0);
    CU_ASSERT_EQUAL(weft_nano_usd(-1.5), -1500000000);
    CU_ASSERT_EQUAL(weft_usd(1500000000), 1.5);
}

static void money_saturates(void)
{
    CU_ASSERT_EQUAL(weft_nano_usd(1e300), INT64_MAX);
    CU_ASSERT_EQUAL(weft_nano_usd(DBL_MAX), INT64_MAX);
    CU_ASSERT_EQUAL(weft_nano_usd(-1e300), INT64_MIN);
    CU_ASSERT_EQUAL(weft_nano_usd((double)INFINITY), INT64_MAX);
    CU_ASSERT_EQUAL(weft_nano_usd((double)NAN), 0);
}

static void the_system_clock_advances(void)
{
    const weft_clock *clock = weft_clock_system();
    int64_t before = weft_clock_mono_ns(clock);
    CU_ASSERT_TRUE(weft_clock_mono_ns(clock) >= before);
    CU_ASSERT_TRUE(weft_clock_wall_ms(clock) > INT64_C(1700000000000)); /* November 2023 */
    CU_ASSERT_TRUE(weft_clock_mono_ms(clock) >= before / 1000000);
}

SUITE(core_event, CASE(topics_answer_to_name_and_number), CASE(unknown_topics_are_zero),
      CASE(types_answer_to_their_name), CASE(every_event_has_topic_time_and_priority),
      CASE(a_legacy_event_becomes_custom), CASE(a_kept_event_outlives_what_it_was_made_from),
      CASE(keeping_a_kept_event_shares_it), CASE(kept_bytes_count_the_strings),
      CASE(a_loan_makes_one_copy_for_all_keepers), CASE(one_keep_takes_many_references),
      CASE(a_measured_loan_is_copied_as_any), CASE(measuring_finds_what_checking_found),
      CASE(a_plan_has_every_string_of_its_type), CASE(the_last_keep_of_a_loan_takes_its_reference),
      CASE(keepers_in_a_pass_share_a_stamped_copy), CASE(a_pass_inside_another_leaves_the_outer_one),
      CASE(a_copy_out_of_a_pass_is_a_plain_event), CASE(an_initialised_event_takes_over_the_envelope_only),
      CASE(arrays_that_are_missing_are_kept_as_empty), CASE(a_loan_nobody_keeps_costs_nothing),
      CASE(a_changed_copy_of_a_kept_event_is_kept_anew), CASE(a_stamped_loan_of_a_kept_event_is_kept_anew),
      CASE(an_event_of_unknown_type_is_kept_without_payload), CASE(threads_that_keep_one_loan_share_its_copy),
      CASE(money_rounds_to_the_nearest_nano_usd), CASE(money_saturates), CASE(the_system_clock_advances))
