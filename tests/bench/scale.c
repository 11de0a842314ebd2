/* tests/bench/scale.c: how throughput changes with sessions, topics, publishers and subscribers. */
#include "bench/transfer.h"

static const bench_figure costs[] = {{"CPU of all processes", "s/million", bench_transfer_cpu}, {0}};

#define WEFT(text, ...)                                                                                                \
    {                                                                                                                  \
        text,                                                                                                          \
        {                                                                                                              \
            .carrier = &bench_carry_weft, __VA_ARGS__                                                                  \
        }                                                                                                              \
    }

typedef struct scale_case {
    bench_transfer_row rows[5];
} scale_case;

static const scale_case cases[] = {
    {{WEFT("10,000 sessions", .sessions = 10000), WEFT("20 sessions", .sessions = BENCH_SESSIONS)}},
    {{WEFT("7 topics", .topics = 0), WEFT("1 topic", .topics = WEFT_TOPIC_LLM),
      WEFT("2 topics", .topics = WEFT_TOPIC_LLM | WEFT_TOPIC_TOOL)}},
    {{WEFT("8 publishers", .senders = 8), WEFT("1 publisher", .senders = 1), WEFT("2 publishers", .senders = 2),
      WEFT("4 publishers", .senders = 4)}},
    {{WEFT("8 subscribers", .receivers = 8), WEFT("1 subscriber", .receivers = 1),
      WEFT("2 subscribers", .receivers = 2), WEFT("4 subscribers", .receivers = 4)}},
};

static void throughput_run(bench_report *report, const scale_case *row)
{
    unsigned count = 0;
    while (count < sizeof row->rows / sizeof *row->rows && row->rows[count].name != NULL)
        count++;
    bench_case c = {.group = "scale", .unit = "events/s", .events = 1000000, .rounds = 5, .also = costs};
    bench_transfer_run(report, c, bench_transfer_rate, row->rows, count, &(bench_transfer_opts){0});
}

void bench_scale(bench_report *report)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        throughput_run(report, &cases[i]);
    bench_node(report);
}
