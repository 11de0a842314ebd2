/* nodes/log.h: what the programs tell their operator: one line a message on stderr.
 *
 *   2026-11-21T04:13:12.123Z info  node-ready  takes lines at /run/user/1000/weft/host-a.sock
 *
 * Time in UTC, level, id, text. The id is stable per kind of message, so that alerts can match it.
 * Threads: any; a line is written in one piece. */
#ifndef WEFT_NODES_LOG_H
#define WEFT_NODES_LOG_H

#include <stdarg.h>

typedef enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR } log_level;

/* X(ENUM, id, LEVEL) */
#define LOG_MAP(X)                                                                                                     \
    X(NODE_READY, "node-ready", INFO)                                                                                  \
    X(NODE_STOPPING, "node-stopping", INFO)                                                                            \
    X(NODE_STOPPED, "node-stopped", INFO)                                                                              \
    X(NODE_UNDRAINED, "node-undrained", WARN)                                                                          \
    X(NODE_FAILED, "node-failed", ERROR)                                                                               \
    X(LINE_REFUSED, "line-refused", WARN)                                                                              \
    X(FEED_TAKEN_OVER, "feed-taken-over", WARN)                                                                        \
    X(SOCKET_FAILED, "socket-failed", ERROR)                                                                           \
    X(BROKER_CONNECTED, "broker-connected", INFO)                                                                      \
    X(BROKER_DISCONNECTED, "broker-disconnected", WARN)                                                                \
    X(BROKER_UNREACHABLE, "broker-unreachable", WARN)                                                                  \
    X(BROKER_REFUSED, "broker-refused", ERROR)                                                                         \
    X(BROKER_STARTED, "broker-started", INFO)                                                                          \
    X(BROKER_DIED, "broker-died", ERROR)                                                                               \
    X(NODE_FENCED, "node-fenced", ERROR)                                                                               \
    X(PEER_UP, "peer-up", INFO)                                                                                        \
    X(PEER_DOWN, "peer-down", INFO)                                                                                    \
    X(MESSAGE_DROPPED, "message-dropped", WARN)                                                                        \
    X(PUBLISH_REFUSED, "publish-refused", ERROR)                                                                       \
    X(SUBSCRIBE_REFUSED, "subscribe-refused", ERROR)                                                                   \
    X(EVENTS_LOST, "events-lost", ERROR)                                                                               \
    X(JOURNAL_DAMAGED, "journal-damaged", ERROR)                                                                       \
    X(JOURNAL_FAILED, "journal-failed", ERROR)                                                                         \
    X(JOURNAL_RECOVERED, "journal-recovered", INFO)                                                                    \
    X(EPOCH_CHANGED, "epoch-changed", INFO)                                                                            \
    X(CLOCK_SKEW, "clock-skew", WARN)                                                                                  \
    X(UNACCOUNTED, "unaccounted", ERROR)                                                                               \
    X(RECORDER_READY, "recorder-ready", INFO)                                                                          \
    X(RECORDER_AT, "recorder-at", INFO)                                                                                \
    X(RECORDER_FAILED, "recorder-failed", ERROR)                                                                       \
    X(RECORDER_RECOVERED, "recorder-recovered", INFO)                                                                  \
    X(RECORDER_STOPPED, "recorder-stopped", INFO)

typedef enum log_id {
#define X(name, id, level) LOG_##name,
    LOG_MAP(X)
#undef X
        LOG_ID_COUNT
} log_id;

/* Writes one line; control characters in it become spaces, what is over 2,000 bytes is cut. */
void log_say(log_id id, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Messages below this are left out; INFO at first. */
void log_set_level(log_level level);

#endif
