/* weft/status.h: the one result type of every weft call.
 *
 * Zero is success. Foreign codes (errno, the broker client's, the journal's) never leave the file that meets them. */
#ifndef WEFT_STATUS_H
#define WEFT_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_STATUS_MAP(X)                                                                                             \
    X(OK, "success")                                                                                                   \
    X(INVALID, "invalid argument")                                                                                     \
    X(NO_MEMORY, "out of memory")                                                                                      \
    X(NOT_FOUND, "not found")                                                                                          \
    X(EXISTS, "already there")                                                                                         \
    X(STOPPED, "stopped, or stopping")                                                                                 \
    X(TIMEOUT, "deadline passed")                                                                                      \
    X(FULL, "a bound was hit")                                                                                         \
    X(TOO_LARGE, "larger than allowed")                                                                                \
    X(TOO_DEEP, "nested too deeply")                                                                                   \
    X(MALFORMED, "not well-formed")                                                                                    \
    X(CORRUPT, "checksum or structure damaged")                                                                        \
    X(UNSUPPORTED, "not supported")                                                                                    \
    X(IO, "input or output failed")                                                                                    \
    X(NO_SPACE, "no space left")                                                                                       \
    X(REFUSED, "refused by the peer")                                                                                  \
    X(UNREACHABLE, "peer cannot be reached")                                                                           \
    X(FENCED, "a newer process holds this node name")                                                                  \
    X(EXPIRED, "past its time to live")                                                                                \
    X(FAILED, "handler failed")                                                                                        \
    X(RATE_LIMITED, "over the rate limit")                                                                             \
    X(NESTED, "too many publishes inside one another")                                                                 \
    X(DROPPED, "dropped by an interceptor")

typedef enum weft_status {
#define X(name, text) WEFT_##name,
    WEFT_STATUS_MAP(X)
#undef X
} weft_status;

/* Name ("WEFT_OK") and one-line text of a status; total, static strings. Threads: any. */
const char *weft_status_name(weft_status status);
const char *weft_status_text(weft_status status);

#ifdef __cplusplus
}
#endif
#endif
