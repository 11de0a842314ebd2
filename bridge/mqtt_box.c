/* bridge/mqtt_box.c: a mutex, a condition and one message. */
#include "mqtt_box.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

weft_status weft__mqtt_box_init(weft__mqtt_box *box)
{
    pthread_condattr_t attributes;
    *box = (weft__mqtt_box){0};
    if (pthread_condattr_init(&attributes) != 0)
        return WEFT_NO_MEMORY;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int code = pthread_cond_init(&box->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (code != 0)
        return WEFT_NO_MEMORY;
    pthread_mutex_init(&box->lock, NULL);
    return WEFT_OK;
}

void weft__mqtt_box_fini(weft__mqtt_box *box)
{
    pthread_mutex_destroy(&box->lock);
    pthread_cond_destroy(&box->changed);
    free(box->bytes);
}

void weft__mqtt_box_empty(weft__mqtt_box *box)
{
    pthread_mutex_lock(&box->lock);
    free(box->bytes);
    box->bytes = NULL;
    box->arrived = box->lost = false;
    pthread_mutex_unlock(&box->lock);
}

void weft__mqtt_box_put(weft__mqtt_box *box, const void *bytes, size_t length)
{
    pthread_mutex_lock(&box->lock);
    if (!box->arrived && (box->bytes = malloc(length + 1)) != NULL) {
        if (length > 0)
            memcpy(box->bytes, bytes, length);
        box->length = length;
        box->arrived = true;
        pthread_cond_signal(&box->changed);
    }
    pthread_mutex_unlock(&box->lock);
}

void weft__mqtt_box_lose(weft__mqtt_box *box)
{
    pthread_mutex_lock(&box->lock);
    box->lost = true;
    pthread_cond_signal(&box->changed);
    pthread_mutex_unlock(&box->lock);
}

static struct timespec deadline_after(int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

weft_status weft__mqtt_box_take(weft__mqtt_box *box, int timeout_ms, uint8_t **ret, size_t *ret_bytes)
{
    struct timespec until = deadline_after(timeout_ms);
    int code = 0;
    pthread_mutex_lock(&box->lock);
    while (!box->arrived && !box->lost && code == 0)
        code = pthread_cond_timedwait(&box->changed, &box->lock, &until);
    weft_status status = box->lost && !box->arrived ? WEFT_UNREACHABLE : WEFT_OK;
    if (status == WEFT_OK) {
        *ret = box->bytes;
        *ret_bytes = box->arrived ? box->length : 0;
        box->bytes = NULL;
    }
    pthread_mutex_unlock(&box->lock);
    return status;
}
