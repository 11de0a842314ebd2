/* nodes/interrupt.c: see the header. */
#include "nodes/interrupt.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SIGNALS_MAX = 2 };

static int wake_fd = -1;
static volatile sig_atomic_t signals_seen;

void interrupt_wake(void)
{
    static const uint64_t one = 1;
    int saved = errno;
    (void)!write(wake_fd, &one, sizeof one);
    errno = saved;
}

static void on_signal(int number)
{
    if (signals_seen >= SIGNALS_MAX)
        _exit(128 + number);
    signals_seen++;
    interrupt_wake();
}

bool interrupt_handle(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0)
        return false;
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    return true;
}

bool interrupt_seen(void)
{
    return signals_seen > 0;
}

bool interrupt_wait(int64_t timeout_ms)
{
    struct pollfd wake = {.fd = wake_fd, .events = POLLIN};
    int wait_ms = timeout_ms < 0 ? 0 : timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
    uint64_t count;
    if (!interrupt_seen() && poll(&wake, 1, wait_ms) > 0)
        (void)!read(wake_fd, &count, sizeof count);
    return interrupt_seen();
}
