/* tests/support/suite.h: one CUnit suite a program, its cases in a table.
 *
 *   SUITE(core_filter, CASE(matches_by_topic), CASE(rejects_other_session))
 */
#ifndef WEFT_TESTS_SUITE_H
#define WEFT_TESTS_SUITE_H

#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct suite_case {
    const char *name;
    void (*run)(void);
} suite_case;

/* Runs the cases whose name contains argv[1] (all without), prints the failures and a summary; the exit status. */
int suite_run(const char *name, const suite_case *cases, size_t count, int argc, char **argv);

/* Polls a condition until it holds or the deadline has passed; whether it held. */
bool suite_wait(bool (*condition)(void *), void *user, int64_t deadline_ms);

/* Says that the running case cannot be tried here, and why; it then returns. tests/run counts it as skipped. */
void suite_skip(const char *reason);

#define CASE(function)                                                                                                 \
    {                                                                                                                  \
#function, function                                                                                            \
    }
#define SUITE(name, ...)                                                                                               \
    int main(int argc, char **argv)                                                                                    \
    {                                                                                                                  \
        static const suite_case cases[] = {__VA_ARGS__};                                                               \
        return suite_run(#name, cases, sizeof cases / sizeof *cases, argc, argv);                                      \
    }

#endif
