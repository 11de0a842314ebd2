/* tests/nodes/test_secret_file.c: whose files are taken for secret, and what of them. */
#include "nodes/secret_file.h"

#include "nodes/temp_file.h"
#include "support/suite.h"

#include <sys/stat.h>

typedef struct place {
    char dir[TEMP_PATH_BYTES];
    char path[TEMP_PATH_BYTES];
    char error[TEMP_PATH_BYTES + 256];
    char out[16];
} place;

static void place_make(place *p, const char *text, mode_t mode)
{
    temp_dir_make(p->dir);
    temp_path(p->path, p->dir, "secret");
    temp_write(p->path, "w", text);
    CU_ASSERT_EQUAL(chmod(p->path, mode), 0);
}

static bool place_read(place *p, const char *text, mode_t mode)
{
    place_make(p, text, mode);
    bool done = secret_file_read(p->path, p->out, sizeof p->out, p->error, sizeof p->error);
    temp_dir_remove(p->dir);
    return done;
}

static void reads_the_first_line(void)
{
    static const char *const texts[] = {"secret", "secret\n", "secret\r\n", "secret\nmore\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        place p;
        CU_ASSERT_TRUE(place_read(&p, texts[i], 0600));
        CU_ASSERT_STRING_EQUAL(p.out, "secret");
    }
    place p;
    CU_ASSERT_TRUE(place_read(&p, " 15 characters \n", 0400));
    CU_ASSERT_STRING_EQUAL(p.out, " 15 characters ");
}

static void refuses_what_is_no_password(void)
{
    place p;
    CU_ASSERT_FALSE(place_read(&p, "", 0600));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.error, "empty"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.error, p.path));
    CU_ASSERT_FALSE(place_read(&p, "\nsecret", 0600));
    CU_ASSERT_FALSE(place_read(&p, "sixteen bytes ..", 0600));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.error, "too long"));
}

static void refuses_files_that_are_open_to_others(void)
{
    static const mode_t open_modes[] = {0604, 0602, 0601, 0644, 0620, 0660, 0777};
    place p;
    for (size_t i = 0; i < sizeof open_modes / sizeof *open_modes; i++) {
        CU_ASSERT_FALSE(place_read(&p, "secret", open_modes[i]));
        CU_ASSERT_PTR_NOT_NULL(strstr(p.error, "open to others"));
        CU_ASSERT_PTR_NOT_NULL(strstr(p.error, "chmod 600"));
    }
    CU_ASSERT_TRUE(place_read(&p, "secret", 0640));
}

static void names_what_cannot_be_read(void)
{
    place p;
    place_make(&p, "secret", 0600);
    CU_ASSERT_FALSE(secret_file_check("/none/such", p.error, sizeof p.error));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.error, "/none/such"));
    CU_ASSERT_FALSE(secret_file_check(p.dir, p.error, sizeof p.error));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.error, "directory"));
    CU_ASSERT_TRUE(secret_file_check(p.path, p.error, sizeof p.error));
    temp_dir_remove(p.dir);
}

static void takes_a_pipe(void)
{
    int ends[2];
    char path[64], out[16], error[128];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    CU_ASSERT_EQUAL(write(ends[1], "secret\n", 7), 7);
    (void)close(ends[1]);
    (void)snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    CU_ASSERT_TRUE(secret_file_read(path, out, sizeof out, error, sizeof error));
    CU_ASSERT_STRING_EQUAL(out, "secret");
    (void)close(ends[0]);
}

SUITE(nodes_secret_file, CASE(reads_the_first_line), CASE(refuses_what_is_no_password),
      CASE(refuses_files_that_are_open_to_others), CASE(names_what_cannot_be_read), CASE(takes_a_pipe))
