/* tests/sim/plan.h: what kind of schedule a seed asks for.
 *
 * Not every schedule has every fault: each seed switches some on and weighs them anew, so that rare combinations get
 * schedules of their own instead of drowning in the noise of all the others. */
#ifndef WEFT_SIM_PLAN_H
#define WEFT_SIM_PLAN_H

#include "sim/draw.h"
#include "support/bridge/fake_link.h"

enum { HOSTS_MAX = 5 };

/* X(NAME, name, weight when it is switched on, permille of the seeds that switch it on) */
#define SIM_ACTION_MAP(X)                                                                                              \
    X(TURN, "turn", 500, 1000)                                                                                         \
    X(DELIVER, "deliver", 300, 1000)                                                                                   \
    X(WAIT, "wait", 120, 1000)                                                                                         \
    X(WAIT_LONG, "wait long", 8, 700)                                                                                  \
    X(PUBLISH, "publish", 120, 1000)                                                                                   \
    X(FEED, "feed", 40, 700)                                                                                           \
    X(SUBSCRIBE, "subscribe", 6, 800)                                                                                  \
    X(UNSUBSCRIBE, "unsubscribe", 4, 600)                                                                              \
    X(BOOT, "boot", 20, 1000)                                                                                          \
    X(STOP, "stop", 3, 500)                                                                                            \
    X(KILL, "kill", 6, 700)                                                                                            \
    X(KILL_AT, "kill at", 8, 700)                                                                                      \
    X(POWER_CUT, "power cut", 5, 400)                                                                                  \
    X(POWER_CUT_AT, "power cut at", 5, 400)                                                                            \
    X(CUT, "cut", 10, 600)                                                                                             \
    X(BROKER_END, "broker end", 5, 500)                                                                                \
    X(BROKER_FORGET, "broker forget", 4, 400)                                                                          \
    X(BROKER_BACK, "broker back", 25, 1000)                                                                            \
    X(BROKER_FREEZE, "broker freeze", 4, 300)                                                                          \
    X(CHAOS, "chaos", 6, 700)                                                                                          \
    X(PART, "part", 6, 500)                                                                                            \
    X(JOIN, "join", 15, 1000)                                                                                          \
    X(ACKS_HOLD, "acks hold", 5, 400)                                                                                  \
    X(ACKS_RELEASE, "acks release", 15, 1000)                                                                          \
    X(DISK_FAIL, "disk fail", 6, 400)                                                                                  \
    X(DISK_FULL, "disk full", 4, 300)                                                                                  \
    X(DISK_READ_ONLY, "disk read-only", 3, 200)                                                                        \
    X(DISK_MEND, "disk mend", 12, 1000)                                                                                \
    X(DISK_ROT, "disk rot", 3, 60)                                                                                     \
    X(CLOCK_JUMP, "clock jump", 4, 300)

typedef enum sim_action {
#define X(name, text, weight, permille) ACTION_##name,
    SIM_ACTION_MAP(X)
#undef X
        ACTION_COUNT
} sim_action;

typedef struct plan {
    unsigned hosts;
    unsigned steps;
    unsigned weights[ACTION_COUNT];
    unsigned total_weight;
    uint64_t journal_max_bytes;
    uint32_t receive_maximum;
    uint32_t max_packet_bytes;
    unsigned queue_max;
    unsigned large_permille; /* of the events */
    unsigned ttl_permille;
} plan;

void plan_draw(plan *p, draw *d);
const char *plan_action_name(sim_action action);
sim_action plan_action(const plan *p, draw *d);
fake_chaos plan_chaos(draw *d);

#endif
