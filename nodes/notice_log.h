/* nodes/notice_log.h: what a bridge notices, as lines of the log. */
#ifndef WEFT_NODES_NOTICE_LOG_H
#define WEFT_NODES_NOTICE_LOG_H

#include "weft/bridge.h"

/* url is the broker's, for messages about the connection. Threads: any. */
void notice_log(const weft_notice *notice, const char *url);

/* Says on stderr why the broker refuses, for a command that ends then. */
void notice_say_refused(const char *command, const weft_notice *notice, const char *url);

#endif
