/* tests/nodes/test_places.c */
#include "nodes/places.h"

#include "support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void names_are_made_valid(void)
{
    static const struct {
        const char *text, *name;
    } table[] = {{"Host-A.Example.com", "host-a.example.com"},
                 {"a b/c", "a-b-c"},
                 {"", "node"},
                 {"-", "node"},
                 {"J\xc3\xb6rg", "j--rg"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char name[WEFT_NAME_MAX_BYTES + 1];
        places_name_from(table[i].text, name);
        CU_ASSERT_STRING_EQUAL(name, table[i].name);
    }
}

static void long_names_are_cut(void)
{
    char text[200], name[WEFT_NAME_MAX_BYTES + 1];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    places_name_from(text, name);
    CU_ASSERT_EQUAL(strlen(name), WEFT_NAME_MAX_BYTES);
}

static void the_host_has_a_name(void)
{
    char name[WEFT_NAME_MAX_BYTES + 1] = "";
    places_node_name(name);
    CU_ASSERT_TRUE(strlen(name) > 0);
}

static void a_process_of_seconds_is_named_after_its_user_or_host(void)
{
    char name[WEFT_NAME_MAX_BYTES + 1], tail[64];
    (void)snprintf(tail, sizeof tail, ".cli.%ld", (long)getpid());
    places_process_name("ops", "cli", name);
    CU_ASSERT_STRING_EQUAL(name, "ops");
    places_process_name("No Name", "cli", name);
    CU_ASSERT_PTR_NOT_NULL(strstr(name, tail));
    places_process_name(NULL, "cli", name);
    CU_ASSERT_PTR_NOT_NULL(strstr(name, tail));
    CU_ASSERT(weft_name_valid(name));
}

static void sockets_live_in_the_runtime_directory(void)
{
    char path[PATH_MAX];
    const char *reason = NULL;
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    CU_ASSERT_TRUE(places_socket("host-a", path, &reason));
    CU_ASSERT_STRING_EQUAL(path, "/run/user/7/weft/host-a.sock");
}

static void journals_live_in_the_state_directory(void)
{
    char path[PATH_MAX];
    const char *reason = NULL;
    setenv("XDG_STATE_HOME", "/state", 1);
    CU_ASSERT_TRUE(places_journal(NULL, "dev", "host-a", path, &reason));
    CU_ASSERT_STRING_EQUAL(path, "/state/weft/dev/host-a/journal.db");
    CU_ASSERT_TRUE(places_journal("/mine", "dev", "host-a", path, &reason));
    CU_ASSERT_STRING_EQUAL(path, "/mine/dev/host-a/journal.db");
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/home/x", 1);
    CU_ASSERT_TRUE(places_journal(NULL, "dev", "host-a", path, &reason));
    CU_ASSERT_STRING_EQUAL(path, "/home/x/.local/state/weft/dev/host-a/journal.db");
}

static void a_path_that_is_too_long_is_refused(void)
{
    char long_directory[PATH_MAX], path[PATH_MAX];
    const char *reason = NULL;
    memset(long_directory, 'a', sizeof long_directory - 1);
    long_directory[0] = '/';
    long_directory[sizeof long_directory - 1] = '\0';
    CU_ASSERT_FALSE(places_journal(long_directory, "dev", "host-a", path, &reason));
    CU_ASSERT_PTR_NOT_NULL(reason);
}

static void directories_are_made_with_their_parents(void)
{
    char directory[] = "/tmp/weft-test-XXXXXX", path[64];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/a/b", directory);
    CU_ASSERT_TRUE(directory_make_all(path));
    CU_ASSERT_TRUE(directory_make_all(path));
    struct stat info;
    CU_ASSERT_EQUAL(stat(path, &info), 0);
    CU_ASSERT_EQUAL(info.st_mode & 0777, 0700);
    rmdir(path);
    snprintf(path, sizeof path, "%s/a", directory);
    rmdir(path);
    rmdir(directory);
}

SUITE(nodes_places, CASE(names_are_made_valid), CASE(long_names_are_cut), CASE(the_host_has_a_name),
      CASE(a_process_of_seconds_is_named_after_its_user_or_host), CASE(sockets_live_in_the_runtime_directory),
      CASE(journals_live_in_the_state_directory), CASE(a_path_that_is_too_long_is_refused),
      CASE(directories_are_made_with_their_parents))
