/* tests/sim/plan.c: the shape of a schedule, drawn from its seed. */
#include "sim/plan.h"

static const struct {
    const char *name;
    unsigned weight;
    unsigned permille;
} actions[] = {
#define X(name, text, weight, permille) {text, weight, permille},
    SIM_ACTION_MAP(X)
#undef X
};

void plan_draw(plan *p, draw *d)
{
    static const uint64_t bounds[] = {64 * 1024, 16 * 1024};
    static const uint32_t windows[] = {1, 5, 20, 64};
    static const unsigned queues[] = {2, 20, 1000};
    *p = (plan){.hosts = draw_between(d, 2, HOSTS_MAX), .steps = draw_between(d, 300, 1200)};
    for (unsigned i = 0; i < ACTION_COUNT; i++) {
        if (!draw_permille(d, actions[i].permille))
            continue;
        p->weights[i] = 1 + actions[i].weight * draw_between(d, 30, 200) / 100;
        p->total_weight += p->weights[i];
    }
    p->journal_max_bytes = draw_permille(d, 120) ? bounds[draw_below(d, 2)] : 0;
    p->receive_maximum = windows[draw_below(d, 4)];
    p->max_packet_bytes = draw_permille(d, 150) ? 4096 : UINT32_MAX;
    p->queue_max = queues[draw_below(d, 3)];
    p->large_permille = draw_permille(d, 200) ? 100 : 5;
    p->ttl_permille = draw_permille(d, 200) ? 100 : 0;
}

const char *plan_action_name(sim_action action)
{
    return actions[action].name;
}

sim_action plan_action(const plan *p, draw *d)
{
    unsigned at = draw_below(d, p->total_weight);
    for (unsigned i = 0; i < ACTION_COUNT; i++) {
        if (at < p->weights[i])
            return (sim_action)i;
        at -= p->weights[i];
    }
    return ACTION_TURN;
}

/* Never `lose`: a connection that stays up loses nothing, and a broker that never acknowledges is none. */
fake_chaos plan_chaos(draw *d)
{
    static const unsigned rates[] = {0, 0, 5, 50, 250};
    return (fake_chaos){.seed = draw_next(d),
                        .cut_permille = draw_permille(d, 300) ? 10 : 0,
                        .drop_permille = rates[draw_below(d, 5)],
                        .duplicate_permille = rates[draw_below(d, 5)],
                        .swap_permille = rates[draw_below(d, 5)]};
}
