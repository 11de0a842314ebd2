/* Which node a session belongs to. */
#include "nodes/ownership.h"

#include <CUnit/CUnit.h>
#include <string.h>
#include <sys/stat.h>

#include "support/suite.h"
#include "temp_file.h"

#define RECORD(session, more) "{\"type\":\"system\",\"sessionId\":\"" session "\"" more "}"
#define BY(name)              ",\"operator\":\"" name "\""

static ownership *table(void)
{
    ownership *o = NULL;
    CU_ASSERT_EQUAL_FATAL(ownership_create(&o), WEFT_OK);
    return o;
}

static void scan(ownership *o, const char *path, const char *line)
{
    CU_ASSERT_EQUAL(ownership_scan_line(o, path, line, strlen(line)), WEFT_OK);
}

static void the_first_operator_owns_the_whole_session(void)
{
    ownership *o = table();
    scan(o, "/p/one/f.jsonl", RECORD("s1", ""));
    scan(o, "/p/one/f.jsonl", RECORD("s1", BY("op2")));
    scan(o, "/p/one/f.jsonl", RECORD("s2", BY("op1")));
    scan(o, "/p/two/g.jsonl", RECORD("s1", BY("op1")));
    scan(o, "/p/two/g.jsonl", "no JSON");
    scan(o, "/p/two/g.jsonl", RECORD("s3", BY("op9") ",\"timestamp\":7"));
    CU_ASSERT_STRING_EQUAL(ownership_node_of(o, "s1"), "op2");
    CU_ASSERT_STRING_EQUAL(ownership_node_of(o, "s2"), "op1");
    CU_ASSERT_PTR_NULL(ownership_node_of(o, "s3"));
    const char *const *nodes;
    CU_ASSERT_EQUAL_FATAL(ownership_nodes(o, &nodes), 2);
    CU_ASSERT_STRING_EQUAL(nodes[0], "op1");
    CU_ASSERT_STRING_EQUAL(nodes[1], "op2");
    ownership_destroy(o);
}

static void without_an_operator_the_project_directory_owns_it(void)
{
    char dir[TEMP_PATH_BYTES], path[TEMP_PATH_BYTES], error[1024];
    temp_dir_make(dir);
    temp_path(path, dir, "-home-Ada-My Project");
    CU_ASSERT_EQUAL_FATAL(mkdir(path, 0700), 0);
    strncat(path, "/session.jsonl", sizeof path - strlen(path) - 1);
    temp_write(path, "w", RECORD("s1", "") "\n" RECORD("s2", BY("op1")) "\n");
    ownership *o = table();
    uint64_t lines = 0;
    CU_ASSERT_EQUAL(ownership_scan_file(o, path, &lines, error, sizeof error), WEFT_OK);
    CU_ASSERT_EQUAL(strncmp(ownership_node_of(o, "s1"), "-home-ada-my-project-", 21), 0);
    CU_ASSERT_STRING_EQUAL(ownership_node_of(o, "s2"), "op1");
    CU_ASSERT_EQUAL(ownership_scan_file(o, "/nowhere/x.jsonl", &lines, error, sizeof error), WEFT_IO);
    CU_ASSERT_STRING_EQUAL(error, "/nowhere/x.jsonl: No such file or directory");
    CU_ASSERT_EQUAL(lines, 2);
    ownership_destroy(o);
    temp_dir_remove(dir);
}

static void records_without_a_session_make_no_node_of_their_own(void)
{
    ownership *o = table();
    const char *const *nodes;
    scan(o, "-", "{\"type\":\"summary\",\"summary\":\"x\"}");
    CU_ASSERT_STRING_EQUAL(ownership_node_of(o, NULL), "stdin");
    CU_ASSERT_EQUAL(ownership_nodes(o, &nodes), 1);
    scan(o, "-", RECORD("s1", BY("op1")));
    CU_ASSERT_STRING_EQUAL(ownership_node_of(o, NULL), "op1");
    CU_ASSERT_STRING_EQUAL(ownership_node_of(o, ""), "op1");
    CU_ASSERT_EQUAL(ownership_nodes(o, &nodes), 1);
    ownership_destroy(o);
}

static void node_names_are_valid_and_distinct(void)
{
    char one[NODE_NAME_BYTES], two[NODE_NAME_BYTES], name[200];
    node_name_from(one, "op_1.a-b");
    CU_ASSERT_STRING_EQUAL(one, "op_1.a-b");
    node_name_from(one, "Op_1.a-B");
    CU_ASSERT_EQUAL(strncmp(one, "op_1.a-b-", 9), 0);
    CU_ASSERT_EQUAL(strlen(one), 9 + 8);
    node_name_from(two, "op_1.A-b");
    CU_ASSERT_STRING_NOT_EQUAL(one, two);
    node_name_from(one, "a/b+c");
    CU_ASSERT_EQUAL(strncmp(one, "a-b-c-", 6), 0);
    memset(name, 'x', 64);
    name[64] = '\0';
    node_name_from(one, name);
    CU_ASSERT_STRING_EQUAL(one, name);
    memset(name, 'x', 100);
    name[100] = '\0';
    node_name_from(one, name);
    name[99] = 'y';
    node_name_from(two, name);
    CU_ASSERT_EQUAL(strlen(one), 64);
    CU_ASSERT_STRING_NOT_EQUAL(one, two);
    node_name_from(one, "\xd0\x98\xd1\x8f");
    node_name_from(two, "\xd0\x9e\xd0\xbd");
    CU_ASSERT_STRING_NOT_EQUAL(one, two);
    CU_ASSERT_EQUAL(strspn(one, "abcdefghijklmnopqrstuvwxyz0123456789_.-"), strlen(one));
    node_name_from(one, "");
    CU_ASSERT_EQUAL(strlen(one), 9);
    node_name_from(one, "-");
    CU_ASSERT_STRING_NOT_EQUAL(one, "-");
    node_name_from(one, "/");
    CU_ASSERT_EQUAL(strlen(one), 10);
}

SUITE(nodes_ownership, CASE(the_first_operator_owns_the_whole_session),
      CASE(without_an_operator_the_project_directory_owns_it),
      CASE(records_without_a_session_make_no_node_of_their_own), CASE(node_names_are_valid_and_distinct))
