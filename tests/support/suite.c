#include "support/suite.h"

#include <CUnit/Basic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

int suite_run(const char *name, const suite_case *cases, size_t count, int argc, char **argv)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    CU_pSuite suite = CU_add_suite(name, NULL, NULL);
    for (size_t i = 0; suite != NULL && i < count; i++)
        if (argc < 2 || strstr(cases[i].name, argv[1]) != NULL)
            CU_add_test(suite, cases[i].name, cases[i].run);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned run = CU_get_number_of_tests_run();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return run == 0 ? 2 : failed != 0;
}

bool suite_wait(bool (*condition)(void *), void *user, int64_t deadline_ms)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (!condition(user)) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 >= deadline_ms)
            return condition(user);
        (void)poll(NULL, 0, 1);
    }
    return true;
}

void suite_skip(const char *reason)
{
    printf("skipped: %s\n", reason);
}
