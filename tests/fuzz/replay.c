/* tests/fuzz/replay.c: gives every file of a folder to a fuzz harness: the seeds as a test, without libFuzzer. Each is
 * also given cut at every byte and with every bit flipped, a small search where there is no other. */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIED_BYTES = 512 }; /* of a seed's beginning */

/* A copy of exactly its size, so that ASan sees a read beyond it. */
static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL)
        abort();
    memcpy(data, bytes, size);
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static void run_variations(uint8_t *bytes, size_t size)
{
    size_t varied = size < VARIED_BYTES ? size : VARIED_BYTES;
    run(bytes, size);
    for (size_t cut = 0; cut < varied; cut++)
        run(bytes, cut);
    for (size_t bit = 0; bit < 8 * varied; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        run(bytes, size);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static int replay(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        return 1;
    }
    size_t size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, file) != size) {
        perror(path);
        return 1;
    }
    fclose(file);
    run_variations(data, size);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (folder == NULL) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    int replayed = 0, status = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.') {
            status |= replay(argv[1], entry->d_name);
            replayed++;
        }
    closedir(folder);
    printf("%d inputs replayed\n", replayed);
    return replayed == 0 ? 2 : status;
}
