/* nodes/scratch.c: see the header. A process of its own does the work, because a signal or a crash that ends it leaves
 * it no chance to tidy up, whatever it is waiting for. */
#include "nodes/scratch.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TMPDIR_MAX_BYTES = 20, REMOVE_TRIES = 100, REMOVE_PAUSE_MS = 20 };

static volatile sig_atomic_t worker;

bool scratch_make(const char *name, char *ret, size_t ret_bytes, char *reason, size_t reason_bytes)
{
    const char *tmp = getenv("TMPDIR");
    if (tmp == NULL || strlen(tmp) > TMPDIR_MAX_BYTES)
        tmp = "/tmp";
    snprintf(ret, ret_bytes, "%s/%s.XXXXXX", tmp, name);
    if (mkdtemp(ret) != NULL)
        return true;
    snprintf(reason, reason_bytes, "cannot make a directory in %s: %s", tmp, strerror(errno));
    return false;
}

static int entry_remove(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Processes that were told to end may still make a file: then it takes a second try. */
static void directory_remove(const char *path)
{
    for (int i = 0; i < REMOVE_TRIES; i++) {
        if (nftw(path, entry_remove, 16, FTW_DEPTH | FTW_PHYS) == 0 || access(path, F_OK) != 0)
            return;
        (void)poll(NULL, 0, REMOVE_PAUSE_MS);
    }
}

static void on_signal(int number)
{
    int saved = errno;
    (void)kill((pid_t)worker, number);
    errno = saved;
}

static void signals_set(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
}

/* The rest of the guard's life. */
static int worker_wait(pid_t pid, const char *directory, bool keep)
{
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!keep)
        directory_remove(directory);
    signals_set(SIG_DFL);
    if (WIFSIGNALED(status))
        (void)raise(WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

bool scratch_guard(const char *directory, bool keep, int *ret_status)
{
    sigset_t signals, before;
    pid_t guard = getpid();
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    (void)fflush(NULL);
    (void)sigprocmask(SIG_BLOCK, &signals, &before); /* until there is a worker to hand them to */
    pid_t pid = fork();
    if (pid == 0) {
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != guard)
            _exit(EXIT_FAILURE);
        return true;
    }
    if (pid > 0) {
        worker = pid;
        signals_set(on_signal);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid > 0) {
        *ret_status = worker_wait(pid, directory, keep);
        return false;
    }
    return true; /* no second process to be had: then without a guard */
}
