/* nodes/journal_print.h: what `weft journal` prints, as tables for people or as JSON lines. */
#ifndef WEFT_NODES_JOURNAL_PRINT_H
#define WEFT_NODES_JOURNAL_PRINT_H

#include "weft/journal.h"
#include "weft/json.h"

typedef struct journal_printer {
    bool json;
    bool headed; /* the table's head is printed */
    weft_text text;
} journal_printer;

void journal_printer_fini(journal_printer *p);

/* Print to standard output. Return WEFT_STOPPED when it cannot be written. */
weft_status journal_print_totals(journal_printer *p, const char *path, const weft_journal_totals *totals);
weft_status journal_print_stream(journal_printer *p, const weft_journal_stream *stream);
weft_status journal_print_feed(journal_printer *p, const weft_journal_feed *feed);
weft_status journal_print_entry(journal_printer *p, const weft_journal_entry *entry);
weft_status journal_print_event(journal_printer *p, const weft_event *event);
void journal_print_finding(journal_printer *p, const weft_journal_finding *finding);
/* totals: only read without damage. */
void journal_print_verdict(journal_printer *p, uint64_t damage, const weft_journal_totals *totals);
void journal_print_purged(journal_printer *p, const weft_journal_purge *what, const weft_journal_purged *purged);

/* "1.5 MB", at most 15 characters. */
const char *bytes_text(uint64_t bytes, char room[16]);

#endif
