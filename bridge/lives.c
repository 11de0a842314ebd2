/* bridge/lives.c: see the header; the states of a peer stand in peers.h, those of its work in open_work.h. */
#include "bridge/lives.h"

enum {
    SILENT_MS = 17000, /* three beats, and two seconds */
    DEAD_GRACE_MS = 10000,
    SKEW_TOLD_MS = 5000,
    SKEW_SETTLED_MS = 2500,
    SKEW_SAMPLES = 3, /* before it is told */
};

static void work_deliver(void *user, const weft_event *event)
{
    const weft__lives *lives = user;
    lives->ops.deliver(lives->ops.user, event);
}

static weft__life work_life(void *user, const char *node, uint64_t epoch, const char **ret_why)
{
    const weft__lives *lives = user;
    const weft__peer *peer = weft__peers_find(&lives->peers, node);
    if (peer == NULL || peer->state == WEFT_PEER_NONE)
        return WEFT__LIFE_UNKNOWN;
    bool replaced = epoch < peer->epoch;
    *ret_why = replaced ? "replaced" : weft_peer_state_name(peer->state);
    return replaced || (epoch == peer->epoch && !weft__peer_is_up(peer)) ? WEFT__LIFE_OVER : WEFT__LIFE_ON;
}

static bool work_lacks(void *user, const weft_event *event)
{
    const weft__lives *lives = user;
    return lives->ops.lacks(lives->ops.streams, event);
}

weft_status weft__lives_init(weft__lives *lives, const weft__lives_opts *opts, const weft__lives_ops *ops)
{
    *lives = (weft__lives){.opts = *opts, .ops = *ops};
    if (lives->opts.clock == NULL)
        lives->opts.clock = weft_clock_system();
    if (lives->opts.silent_ms < SILENT_MS)
        lives->opts.silent_ms = SILENT_MS;
    if (lives->opts.dead_grace_ms == 0)
        lives->opts.dead_grace_ms = DEAD_GRACE_MS;
    weft__peers_init(&lives->peers);
    weft__open_work_opts work_opts = {.clock = lives->opts.clock, .grace_ms = lives->opts.dead_grace_ms};
    weft__open_work_ops work_ops = {.deliver = work_deliver, .life = work_life, .lacks = work_lacks, .user = lives};
    return weft__open_work_create(&work_opts, &work_ops, &lives->work);
}

void weft__lives_fini(weft__lives *lives)
{
    weft__open_work_destroy(lives->work);
    weft__peers_fini(&lives->peers);
}

/* ---- changes ---- */

static int64_t wall_ms(const weft__lives *lives)
{
    return weft_clock_wall_ms(lives->opts.clock);
}

static void peer_comes(weft__lives *lives, weft__peer *peer, int64_t since_ms, int64_t now_ms)
{
    weft__peers_set_state(&lives->peers, peer, WEFT_PEER_UP, since_ms);
    lives->ops.peer(lives->ops.user, peer->node, peer->epoch, true, NULL);
    weft__open_work_alive(lives->work, peer->node, peer->epoch, now_ms);
}

static void peer_goes(weft__lives *lives, weft__peer *peer, weft_peer_state state, const char *why, int64_t since_ms,
                      int64_t now_ms)
{
    bool news = weft__peer_is_up(peer);
    weft__peers_set_state(&lives->peers, peer, state, since_ms);
    if (news)
        lives->ops.peer(lives->ops.user, peer->node, peer->epoch, false, why);
    weft__open_work_over(lives->work, peer->node, peer->epoch, why, now_ms);
}

/* ---- what is heard ---- */

void weft__lives_see(weft__lives *lives, const weft_event *event, int64_t now_ms)
{
    weft__open_work_take(lives->work, event, now_ms);
}

void weft__lives_hear(weft__lives *lives, weft__peer *peer, uint64_t epoch, int64_t now_ms)
{
    weft__peers_hear(&lives->peers, peer, now_ms);
    if (peer->state == WEFT_PEER_SILENT && epoch == peer->epoch)
        peer_comes(lives, peer, wall_ms(lives), now_ms);
}

static void skew_tell(weft__lives *lives, weft__peer *peer)
{
    int64_t skew_ms;
    if (lives->ops.skewed == NULL || !weft__skew_get(&peer->skew, SKEW_SAMPLES, &skew_ms))
        return;
    int64_t off_ms = skew_ms < 0 ? -skew_ms : skew_ms;
    if (off_ms > SKEW_TOLD_MS && !peer->skew_told) {
        peer->skew_told = true;
        lives->ops.skewed(lives->ops.user, peer->node, peer->epoch, skew_ms);
    } else if (off_ms < SKEW_SETTLED_MS) {
        peer->skew_told = false;
    }
}

void weft__lives_beat(weft__lives *lives, weft__peer *peer, const weft__beat *beat, int64_t now_ms)
{
    if (beat->epoch != peer->epoch)
        return;
    weft__lives_hear(lives, peer, beat->epoch, now_ms);
    weft__peers_beat(&lives->peers, peer, beat->timestamp_ms, wall_ms(lives), now_ms);
    skew_tell(lives, peer);
}

void weft__lives_born(weft__lives *lives, weft__peer *peer, const weft__live *live, bool fresh, weft__moment seen,
                      int64_t now_ms)
{
    bool newer = live->epoch > peer->epoch;
    if (!newer && !fresh && peer->state == WEFT_PEER_SILENT)
        return; /* what the broker still retains of it */
    weft__peers_note_birth(&lives->peers, peer, live->epoch, seen);
    weft__peers_set_version(&lives->peers, peer, live->version);
    weft__peers_hear(&lives->peers, peer, now_ms);
    int64_t born_ms = live->born_ms > 0 ? live->born_ms : live->timestamp_ms;
    if (newer || !weft__peer_is_up(peer))
        peer_comes(lives, peer, fresh ? wall_ms(lives) : born_ms, now_ms);
}

void weft__lives_left(weft__lives *lives, weft__peer *peer, const weft__live *live, bool fresh, weft__moment seen,
                      int64_t now_ms)
{
    weft_peer_state state = live->status == WEFT__LIVE_GOODBYE ? WEFT_PEER_GOODBYE : WEFT_PEER_LOST;
    if (live->epoch > peer->epoch || peer->birth_count == 0)
        weft__peers_note_birth(&lives->peers, peer, live->epoch, seen);
    weft__peers_set_version(&lives->peers, peer, live->version);
    int64_t said_ms = state == WEFT_PEER_GOODBYE ? live->timestamp_ms : 0; /* a will is as old as its connection */
    if (peer->state != state)
        peer_goes(lives, peer, state, weft_peer_state_name(state), fresh ? wall_ms(lives) : said_ms, now_ms);
}

void weft__lives_forget(weft__lives *lives, const char *node, int64_t now_ms)
{
    weft__peer *peer = weft__peers_find(&lives->peers, node);
    if (peer != NULL) /* it stays, hidden: its births tell what is ours of its streams */
        peer_goes(lives, peer, WEFT_PEER_NONE, "forgotten", wall_ms(lives), now_ms);
}

/* ---- time ---- */

void weft__lives_connected(weft__lives *lives, int64_t now_ms)
{
    weft__peers_connected(&lives->peers, now_ms);
    weft__open_work_resume(lives->work, now_ms);
}

void weft__lives_cut(weft__lives *lives)
{
    weft__peers_cut(&lives->peers);
    weft__open_work_pause(lives->work);
}

static void on_silent(void *user, weft__peer *peer)
{
    weft__lives *lives = user;
    peer_goes(lives, peer, WEFT_PEER_SILENT, weft_peer_state_name(WEFT_PEER_SILENT), wall_ms(lives), lives->now_ms);
}

void weft__lives_tick(weft__lives *lives, int64_t now_ms)
{
    lives->now_ms = now_ms;
    weft__peers_tick(&lives->peers, lives->opts.silent_ms, now_ms, on_silent, lives);
    weft__open_work_tick(lives->work, now_ms);
}
