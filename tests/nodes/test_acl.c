/* tests/nodes/test_acl.c: users from words and files, and the texts for Mosquitto. */
#include "nodes/acl.h"

#include "nodes/temp_file.h"
#include "support/suite.h"

enum { TEXT_MAX_BYTES = 8192 };

static void text_of(void (*write)(const acl *a, FILE *out), const acl *a, char text[TEXT_MAX_BYTES])
{
    FILE *out = fmemopen(text, TEXT_MAX_BYTES, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    write(a, out);
    CU_ASSERT_EQUAL(fclose(out), 0);
}

static void add_all(acl *a, size_t count, const char *const words[])
{
    char error[256] = "";
    for (size_t i = 0; i < count; i++)
        CU_ASSERT_TRUE(acl_add(a, words[i], error, sizeof error));
    CU_ASSERT_STRING_EQUAL(error, "");
}

static void write_rules(const acl *a, FILE *out)
{
    acl_write(a, "dev", false, out);
}

static void write_open_rules(const acl *a, FILE *out)
{
    acl_write(a, "dev", true, out);
}

static void write_commands(const acl *a, FILE *out)
{
    acl_write_passwords(a, "/it's/passwd", out);
}

static void a_user_has_a_section_with_its_rights(void)
{
    acl a = {0};
    add_all(&a, 2, (const char *const[]){"host-a", "tap=web"});
    char text[TEXT_MAX_BYTES];
    text_of(write_rules, &a, text);
    const char *web = strstr(text, "\nuser web\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(web);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nuser host-a\ntopic write weft/v1/dev/evt/+/host-a\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\ntopic read weft/v1/dev/cmd/host-a/+/+\n"));
    CU_ASSERT_PTR_NULL(strstr(web, "write"));
    CU_ASSERT_PTR_NOT_NULL(strstr(web, "\ntopic read weft/v1/dev/json/+/+/+/+\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "pattern"));
    acl_fini(&a);
}

static void everybody_else_may_be_a_node_by_pattern(void)
{
    acl a = {0};
    char text[TEXT_MAX_BYTES];
    text_of(write_open_rules, &a, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\npattern write weft/v1/dev/evt/+/%u\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\npattern read weft/v1/dev/reply/%u/+/+\n"));
    CU_ASSERT_PTR_NULL(strstr(text, "\nuser "));
}

static void passwords_are_asked_for_and_never_stand_in_a_command(void)
{
    acl a = {0};
    add_all(&a, 1, (const char *const[]){"listener=ops"});
    char text[TEXT_MAX_BYTES];
    text_of(write_commands, &a, text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "mosquitto_passwd '/it'\\''s/passwd' 'ops'\n"));
    CU_ASSERT_PTR_NULL(strstr(text, " -b"));
    acl_fini(&a);
}

static void refuses_bad_words(void)
{
    static const struct {
        const char *word, *why;
    } bad[] = {{"Host", "no name"},
               {"nodes=a", "no such role"},
               {"node=", "no name"},
               {"a b", "no name"},
               {"+", "no name"},
               {"=a", "no such role"},
               {"", "no name"},
               {"host-a", "has a role already"},
               {"tap=host-a", "has a role already"}};
    char error[256];
    acl a = {0};
    add_all(&a, 1, (const char *const[]){"host-a"});
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CU_ASSERT_FALSE(acl_add(&a, bad[i].word, error, sizeof error));
        CU_ASSERT_PTR_NOT_NULL(strstr(error, bad[i].why));
    }
    CU_ASSERT_EQUAL(a.count, 1);
    acl_fini(&a);
}

static void reads_users_from_a_file(void)
{
    char dir[TEMP_PATH_BYTES], path[TEMP_PATH_BYTES], error[TEMP_PATH_BYTES + 256];
    acl a = {0};
    temp_dir_make(dir);
    temp_path(path, dir, "users");
    temp_write(path, "w", "# the fleet\nhost-a host-b\n\n  listener=ops # on call\n");
    CU_ASSERT_TRUE(acl_add_file(&a, path, error, sizeof error));
    CU_ASSERT_EQUAL_FATAL(a.count, 3);
    CU_ASSERT_STRING_EQUAL(a.users[2].name, "ops");
    CU_ASSERT_EQUAL(a.users[2].role, WEFT_ROLE_LISTENER);
    temp_write(path, "w", "host-c\nhost-d HOST\n");
    CU_ASSERT_FALSE(acl_add_file(&a, path, error, sizeof error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "users:2: 'HOST'"));
    temp_dir_remove(dir);
    CU_ASSERT_FALSE(acl_add_file(&a, path, error, sizeof error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, path));
    acl_fini(&a);
}

SUITE(nodes_acl, CASE(a_user_has_a_section_with_its_rights), CASE(everybody_else_may_be_a_node_by_pattern),
      CASE(passwords_are_asked_for_and_never_stand_in_a_command), CASE(refuses_bad_words),
      CASE(reads_users_from_a_file))
