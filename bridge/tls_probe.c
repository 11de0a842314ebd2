/* bridge/tls_probe.c: a handshake with OpenSSL, for its error codes alone. The only file that names OpenSSL.
 *
 * It checks as mqtt_link.c has the client library check: chain, dates, and host name or address. Under TLS 1.3 the
 * broker judges our certificate after our side of the handshake is done, so an alert is waited for. */
#include "tls_probe.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HANDSHAKE_WAIT_MS = 1500, ALERT_WAIT_MS = 500 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

typedef int (*step_fn)(SSL *ssl);

static int step_connect(SSL *ssl)
{
    return SSL_connect(ssl);
}

static int step_read(SSL *ssl)
{
    char byte;
    return SSL_read(ssl, &byte, sizeof byte);
}

/* Repeats a step while the socket makes it wait. Returns SSL_ERROR_NONE, SSL_ERROR_WANT_READ (the time is up), or what
 * ended it. */
static int step_run(SSL *ssl, step_fn step, int timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;
    for (;;) {
        ERR_clear_error();
        int done = step(ssl);
        int error = done > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, done);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            return error;
        struct pollfd wait = {.fd = SSL_get_fd(ssl), .events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT};
        int64_t left = deadline - now_ms();
        if (left <= 0 || poll(&wait, 1, (int)left) == 0)
            return SSL_ERROR_WANT_READ;
    }
}

/* ---- our files ---- */

static weft_status file_fault(const weft__tls_side *side, const char *path, const char *what, char *text, size_t bytes)
{
    (void)snprintf(text, bytes, "TLS with %s failed: %s %s", side->address, path, what);
    return WEFT_REFUSED;
}

static weft_status files_load(SSL_CTX *context, const weft__tls_side *side, char *text, size_t bytes)
{
    const char *files[] = {side->ca_file, side->cert_file, side->key_file};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] != NULL && access(files[i], R_OK) != 0) {
            (void)snprintf(text, bytes, "TLS with %s failed: cannot read %s", side->address, files[i]);
            return WEFT_REFUSED;
        }
    if (side->ca_file == NULL)
        (void)SSL_CTX_set_default_verify_paths(context);
    else if (SSL_CTX_load_verify_locations(context, side->ca_file, NULL) != 1)
        return file_fault(side, side->ca_file, "holds no certificate in PEM", text, bytes);
    if (side->cert_file != NULL && SSL_CTX_use_certificate_chain_file(context, side->cert_file) != 1)
        return file_fault(side, side->cert_file, "holds no certificate in PEM", text, bytes);
    if (side->key_file != NULL && SSL_CTX_use_PrivateKey_file(context, side->key_file, SSL_FILETYPE_PEM) != 1)
        return file_fault(side, side->key_file, "holds no key without a password in PEM, or not the certificate's",
                          text, bytes);
    return WEFT_OK;
}

/* ---- what the broker showed ---- */

static void date_write(const ASN1_TIME *date, char *out, size_t bytes)
{
    struct tm parts;
    if (ASN1_TIME_to_tm(date, &parts) != 1 || strftime(out, bytes, "%Y-%m-%d %H:%M UTC", &parts) == 0)
        (void)snprintf(out, bytes, "an unreadable date");
}

/* The first name of a certificate: of the alternative ones, else the common name. */
static void name_write(X509 *certificate, char *out, size_t bytes)
{
    (void)snprintf(out, bytes, "nobody");
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        (void)snprintf(out, bytes, "%.*s", ASN1_STRING_length(name->d.dNSName),
                       (const char *)ASN1_STRING_get0_data(name->d.dNSName));
        GENERAL_NAMES_free(names);
        return;
    }
    GENERAL_NAMES_free(names);
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, out, (int)bytes);
}

/* The handle keeps no certificate that failed; this keeps the one at fault, X509 in the handle's app data. */
static int on_verified(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    if (!good && SSL_get_app_data(ssl) == NULL && certificate != NULL && X509_up_ref(certificate) == 1)
        (void)SSL_set_app_data(ssl, certificate);
    return good;
}

static void untrusted_write(const weft__tls_side *side, X509 *certificate, long verdict, char *text, size_t bytes)
{
    char name[128] = "nobody", date[64] = "an unknown date";
    if (certificate != NULL) {
        bool early = verdict == X509_V_ERR_CERT_NOT_YET_VALID;
        name_write(certificate, name, sizeof name);
        date_write(early ? X509_get0_notBefore(certificate) : X509_get0_notAfter(certificate), date, sizeof date);
    }
    if (verdict == X509_V_ERR_CERT_HAS_EXPIRED)
        (void)snprintf(text, bytes, "the certificate (%s) that %s shows has expired on %s; renew it", name,
                       side->address, date);
    else if (verdict == X509_V_ERR_CERT_NOT_YET_VALID)
        (void)snprintf(text, bytes, "the certificate (%s) that %s shows is not valid before %s; is the clock right?",
                       name, side->address, date);
    else if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
        (void)snprintf(text, bytes, "the certificate of %s is for another host (%s); connect by a name that it carries",
                       side->address, name);
    else
        (void)snprintf(text, bytes, "the certificate of %s is not vouched for by %s (%s); name the authority's own",
                       side->address, side->ca_file != NULL ? side->ca_file : "this system",
                       X509_verify_cert_error_string(verdict));
}

/* ---- what the broker said of us ---- */

static void alert_write(const weft__tls_side *side, unsigned long error, char *text, size_t bytes)
{
    const char *why = ERR_reason_error_string(error);
    why = why != NULL ? why : "unknown reason";
    int reason = ERR_GET_REASON(error);
    bool certificates = reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED ||
                        reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE || reason == SSL_R_TLSV1_ALERT_UNKNOWN_CA ||
                        (reason >= SSL_R_SSLV3_ALERT_NO_CERTIFICATE && reason <= SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN);
    if (certificates && side->cert_file == NULL)
        (void)snprintf(text, bytes, "%s wants a client certificate, and none is given (%s); give one, with its key",
                       side->address, why);
    else if (certificates)
        (void)snprintf(text, bytes, "%s does not accept our certificate %s (%s); it must be valid and of its authority",
                       side->address, side->cert_file, why);
    else
        (void)snprintf(text, bytes, "TLS with %s failed: %s", side->address, why);
}

static weft_status failure_write(SSL *ssl, const weft__tls_side *side, int kind, char *text, size_t bytes)
{
    long verdict = SSL_get_verify_result(ssl);
    unsigned long error = ERR_peek_error();
    bool ended = kind == SSL_ERROR_SYSCALL || kind == SSL_ERROR_ZERO_RETURN ||
                 (kind == SSL_ERROR_SSL && ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING);
    if (verdict != X509_V_OK) {
        untrusted_write(side, SSL_get_app_data(ssl), verdict, text, bytes);
    } else if (ended) {
        (void)snprintf(text, bytes, "%s closed the connection when TLS began", side->address);
        return WEFT_UNREACHABLE;
    } else if (ERR_GET_REASON(error) == SSL_R_WRONG_VERSION_NUMBER) {
        (void)snprintf(text, bytes, "%s does not speak TLS; use mqtt://, or the port where it does", side->address);
    } else {
        alert_write(side, error, text, bytes);
    }
    return WEFT_REFUSED;
}

/* ---- the handshake ---- */

static bool side_set(SSL *ssl, int fd, const weft__tls_side *side)
{
    X509_VERIFY_PARAM *check = SSL_get0_param(ssl);
    bool address = X509_VERIFY_PARAM_set1_ip_asc(check, side->name) == 1;
    return SSL_set_fd(ssl, fd) == 1 &&
           (address || (SSL_set1_host(ssl, side->name) == 1 && SSL_set_tlsext_host_name(ssl, side->name) == 1));
}

static weft_status handshake_try(SSL *ssl, const weft__tls_side *side, char *text, size_t bytes)
{
    int kind = step_run(ssl, step_connect, HANDSHAKE_WAIT_MS);
    if (kind == SSL_ERROR_WANT_READ) {
        (void)snprintf(text, bytes, "%s took the connection but does not answer to TLS", side->address);
        return WEFT_UNREACHABLE;
    }
    if (kind == SSL_ERROR_NONE) {
        kind = step_run(ssl, step_read, ALERT_WAIT_MS);
        if (kind != SSL_ERROR_SSL || ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return WEFT_OK;
    }
    return failure_write(ssl, side, kind, text, bytes);
}

weft_status weft__tls_probe(int fd, const weft__tls_side *side, char *text, size_t text_bytes)
{
    (void)snprintf(text, text_bytes, "out of memory");
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL)
        return WEFT_NO_MEMORY;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verified);
    weft_status status = files_load(context, side, text, text_bytes);
    SSL *ssl = status == WEFT_OK ? SSL_new(context) : NULL;
    if (ssl != NULL && side_set(ssl, fd, side))
        status = handshake_try(ssl, side, text, text_bytes);
    else if (status == WEFT_OK)
        status = WEFT_NO_MEMORY;
    if (ssl != NULL)
        X509_free(SSL_get_app_data(ssl));
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
    return status;
}

/* OpenSSL numbers the reasons that are alerts from there on; an alert is TLS too. */
static bool is_alert(unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    return reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256;
}

bool weft__tls_spoken(int fd)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context != NULL ? SSL_new(context) : NULL;
    bool spoken = false;
    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1) {
        int kind = step_run(ssl, step_connect, HANDSHAKE_WAIT_MS);
        spoken = kind == SSL_ERROR_NONE || (kind == SSL_ERROR_SSL && is_alert(ERR_peek_error()));
    }
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
    return spoken;
}
