/* weft/publish.h: one publisher for each variant, made from WEFT_EVENT_MAP.
 *
 *   weft_publish_token_usage(bus, &(weft_event){.session_id = "s1"},
 *                            (struct weft_token_usage){.model = "m", .input_tokens = 9, .cost_usd = 0.02});
 *
 * The envelope is taken from `context` (NULL: empty), whose type and payload do not matter. Otherwise as weft_publish.
 */
#ifndef WEFT_PUBLISH_H
#define WEFT_PUBLISH_H

#include "weft/dispatcher.h"

#ifdef __cplusplus
extern "C" {
#endif

#define X(name, member, topic, number)                                                                                 \
    static inline weft_status weft_publish_##member(weft_dispatcher *d, const weft_event *context,                     \
                                                    struct weft_##member payload)                                      \
    {                                                                                                                  \
        weft_event event;                                                                                              \
        weft_event_init(&event, context, WEFT_##name);                                                                 \
        event.member = payload;                                                                                        \
        return weft_publish(d, &event);                                                                                \
    }
WEFT_EVENT_MAP(X)
#undef X

#ifdef __cplusplus
}
#endif
#endif
