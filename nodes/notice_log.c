/* nodes/notice_log.c: one table from notices to log ids, and the words for each. */
#include "nodes/notice_log.h"

#include "nodes/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *or_else(const char *text, const char *fallback)
{
    return text != NULL ? text : fallback;
}

static void log_connection(const weft_notice *n, const char *url)
{
    const char *cause = or_else(n->text, weft_status_text(n->status));
    if (n->kind == WEFT_NOTICE_CONNECTED)
        log_say(LOG_BROKER_CONNECTED, "connected to %s", url);
    else if (n->kind == WEFT_NOTICE_DISCONNECTED)
        log_say(LOG_BROKER_DISCONNECTED, "lost %s: %s; connecting again", url, cause);
    else if (n->status == WEFT_REFUSED)
        log_say(LOG_BROKER_REFUSED, "cannot use %s: %s; it is tried now and then until somebody changes that", url,
                cause);
    else
        log_say(LOG_BROKER_UNREACHABLE, "cannot connect to %s: %s; trying again", url, cause);
}

void notice_say_refused(const char *command, const weft_notice *n, const char *url)
{
    fprintf(stderr,
            "weft %s: the broker at %s refuses us: %s (see --user, --password-file, --ca, --cert and its own log).\n",
            command, url, or_else(n->text, weft_status_text(n->status)));
}

static void log_peer(const weft_notice *n)
{
    const char *node = or_else(n->node, "?");
    if (n->kind == WEFT_NOTICE_PEER_UP)
        log_say(LOG_PEER_UP, "%s is up (epoch %" PRIu64 ")", node, n->epoch);
    else
        log_say(LOG_PEER_DOWN, "%s is down: %s (epoch %" PRIu64 ")", node, or_else(n->text, "unknown"), n->epoch);
}

static void log_journal(const weft_notice *n)
{
    if (n->kind == WEFT_NOTICE_JOURNAL_DAMAGED)
        log_say(LOG_JOURNAL_DAMAGED, "the journal was damaged; it is kept as %s and a new one is in use",
                or_else(n->text, "?"));
    else if (n->kind == WEFT_NOTICE_JOURNAL_FAILED)
        log_say(LOG_JOURNAL_FAILED, "the journal cannot be written: %s; feeders wait until it can",
                or_else(n->text, weft_status_text(n->status)));
    else
        log_say(LOG_JOURNAL_RECOVERED, "the journal can be written again");
}

void notice_log(const weft_notice *n, const char *url)
{
    switch (n->kind) {
    case WEFT_NOTICE_CONNECTED:
    case WEFT_NOTICE_DISCONNECTED:
    case WEFT_NOTICE_CONNECT_FAILED:
        log_connection(n, url);
        break;
    case WEFT_NOTICE_FENCED:
        log_say(LOG_NODE_FENCED, "a newer process holds this node's name (epoch %" PRIu64 "); this one ends", n->epoch);
        break;
    case WEFT_NOTICE_PEER_UP:
    case WEFT_NOTICE_PEER_DOWN:
        log_peer(n);
        break;
    case WEFT_NOTICE_MESSAGE_DROPPED:
        log_say(LOG_MESSAGE_DROPPED, "dropped a message of %s: %s", or_else(n->node, "an unknown sender"),
                or_else(n->text, weft_status_text(n->status)));
        break;
    case WEFT_NOTICE_PUBLISH_REFUSED:
        log_say(LOG_PUBLISH_REFUSED, "the broker's ACL does not let us publish to %s", or_else(n->text, "a topic"));
        break;
    case WEFT_NOTICE_SUBSCRIBE_REFUSED:
        log_say(LOG_SUBSCRIBE_REFUSED, "the broker's ACL does not let us subscribe to %s; all else goes on",
                or_else(n->text, "a topic"));
        break;
    case WEFT_NOTICE_LOST:
        log_say(LOG_EVENTS_LOST, "%" PRIu64 " event(s) of this node will never be sent: %s", n->count,
                or_else(n->text, weft_status_text(n->status)));
        break;
    case WEFT_NOTICE_JOURNAL_DAMAGED:
    case WEFT_NOTICE_JOURNAL_FAILED:
    case WEFT_NOTICE_JOURNAL_RECOVERED:
        log_journal(n);
        break;
    case WEFT_NOTICE_CLOCK_SKEW:
        log_say(LOG_CLOCK_SKEW, "the clock of %s is %" PRIu64 " ms %s ours; expiry and times across hosts suffer",
                or_else(n->node, "?"), n->count, strcmp(or_else(n->text, ""), "behind") == 0 ? "behind" : "ahead of");
        break;
    case WEFT_NOTICE_EPOCH_CHANGED:
        log_say(LOG_EPOCH_CHANGED,
                "this node's epoch is now %" PRIu64 ": the broker remembered a later one than the "
                "clock says",
                n->epoch);
        break;
    case WEFT_NOTICE_UNACCOUNTED:
        log_say(LOG_UNACCOUNTED,
                "%" PRIu64
                " events of %s under %s do not add up with what it says it published; weft account shows both "
                "sides",
                n->count, n->node, n->text);
        break;
    case WEFT_NOTICE_COUNT:
        break;
    }
}
