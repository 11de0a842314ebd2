/* tests/bench/peers_absent.c: stands in for the peers whose libraries were missing when this was built. */
#include "bench/peers.h"

#ifndef BENCH_WITH_GLIB
const bench_peer bench_gsignal = {0};
const bench_peer bench_gsignal_generic = {0};
#endif
#ifndef BENCH_WITH_ZMQ
const bench_peer bench_zmq = {0};
#endif
#ifndef BENCH_WITH_NNG
const bench_peer bench_nng = {0};
#endif
