/* tests/support/gate.h: holds threads at a point until the test lets them go on. Every wait gives up after 20 s. */
#ifndef WEFT_TESTS_GATE_H
#define WEFT_TESTS_GATE_H

#include <pthread.h>
#include <stdbool.h>

typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned arrived;
    bool open;
} gate;

#define GATE_CLOSED                                                                                                    \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                         \
    }

/* Arrives and waits for the gate to open; whether it did. */
bool gate_pass(gate *g);
/* Waits until so many threads have arrived; whether they did. */
bool gate_await(gate *g, unsigned arrived);
void gate_open(gate *g);

#endif
