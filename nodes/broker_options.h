/* nodes/broker_options.h: the options of every subcommand that talks to a broker.
 *
 * A password stands in no command line: those are everybody's to read. It comes from a file that is not open to others,
 * or from the environment. What is not given comes from WEFT_USER, WEFT_PASSWORD, WEFT_PASSWORD_FILE, WEFT_CA,
 * WEFT_CERT and WEFT_KEY. */
#ifndef WEFT_NODES_BROKER_OPTIONS_H
#define WEFT_NODES_BROKER_OPTIONS_H

#include "nodes/options.h"
#include "weft/bridge.h"

#define BROKER_URL_DEFAULT    "mqtt://localhost"
#define BROKER_FABRIC_DEFAULT "default"

/* Rows of an option table. */
#define BROKER_OPTION_ROWS                                                                                             \
    {"broker", 'b', "URL", "the broker: mqtt://HOST[:PORT] or mqtts://HOST[:PORT] (" BROKER_URL_DEFAULT ")"},          \
        {"fabric", 'f', "NAME", "the fabric that events belong to (" BROKER_FABRIC_DEFAULT ")"}, BROKER_LOGIN_ROWS

#define BROKER_LOGIN_ROWS                                                                                              \
    {"user", 0, "NAME", "log in at the broker as this user ($WEFT_USER)"},                                             \
        {"password-file", 0, "FILE",                                                                                   \
         "with the password in the first line of this file ($WEFT_PASSWORD_FILE)\n"                                    \
         "or in $WEFT_PASSWORD"},                                                                                      \
        {"ca", 0, "FILE", "trust brokers that this certificate (PEM) vouches for ($WEFT_CA)"},                         \
        {"cert", 0, "FILE", "show this certificate to the broker (PEM; $WEFT_CERT)"},                                  \
        {"key", 0, "FILE", "whose private key is in this file ($WEFT_KEY)"},                                           \
    {                                                                                                                  \
        "keep-alive", 0, "S", "seconds of silence after which a connection counts as lost, 1 to 3600 (10)"             \
    }

typedef struct broker_options {
    const char *url;
    const char *fabric;
    const char *user;
    char password[256];
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    uint32_t keep_alive_s; /* 0: default */
} broker_options;

/* Reads them; says on stderr what is wrong. Returns EXIT_DONE or EXIT_USAGE. Ownership: ret points into a and the
 * environment. */
int broker_options_read(const args *a, broker_options *ret);
/* Copies them into bridge options. Ownership: o must outlive their use. */
void broker_options_apply(const broker_options *o, weft_bridge_opts *bridge);

/* A node name that was given, or the fallback; says on stderr when it is no name. Returns NULL then. */
const char *node_option_read(const args *a, const char *fallback);

#endif
