/*
 * TLS for streams, by OpenSSL's libssl: loaded at the first use, so that nobody else pays for it,
 * and reached through its documented functions (ssl(7), BIO_s_mem(3), X509_get0_notAfter(3)).
 * Records travel through memory, so that the socket stays the stream's own. Certificates are shown
 * and not verified: the question is what a port shows.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/stream_internal.h"

/* openssl/stream->tls->ssl.h, openssl/asn1.h, openssl/x509v3.h: constants of the stable interface.
 */
enum {
	WANT_READ = 2,
	WANT_WRITE = 3,
	ZERO_RETURN = 6,
	SET_HOST_NAME = 55,
	SET_MIN_VERSION = 123,
	TLS_1_0 = 0x0301,
	NID_ALT_NAME = 85,
	NAME_DNS = 2,
	NAME_ADDRESS = 7,
	NAMES_MAX = 256,
};
#define NAME_RFC2253 0x1110317UL

typedef void *handle;

/* The functions of libssl and libcrypto that are used, with their prototypes. */
#define FUNCTIONS(X)                                                                        \
	X(const void *, TLS_client_method, (void))                                          \
	X(handle, SSL_CTX_new, (const void *))                                              \
	X(void, SSL_CTX_free, (handle))                                                     \
	X(long, SSL_CTX_ctrl, (handle, int, long, void *))                                  \
	X(int, SSL_CTX_set_cipher_list, (handle, const char *))                             \
	X(handle, SSL_new, (handle))                                                        \
	X(void, SSL_free, (handle))                                                         \
	X(void, SSL_set_bio, (handle, handle, handle))                                      \
	X(long, SSL_ctrl, (handle, int, long, void *))                                      \
	X(int, SSL_set_alpn_protos, (handle, const unsigned char *, unsigned))              \
	X(int, SSL_connect, (handle))                                                       \
	X(int, SSL_read, (handle, void *, int))                                             \
	X(int, SSL_write, (handle, const void *, int))                                      \
	X(int, SSL_shutdown, (handle))                                                      \
	X(int, SSL_get_error, (const void *, int))                                          \
	X(const char *, SSL_get_version, (const void *))                                    \
	X(void, SSL_get0_alpn_selected, (const void *, const unsigned char **, unsigned *)) \
	X(const void *, BIO_s_mem, (void))                                                  \
	X(handle, BIO_new, (const void *))                                                  \
	X(int, BIO_free, (handle))                                                          \
	X(int, BIO_read, (handle, void *, int))                                             \
	X(int, BIO_write, (handle, const void *, int))                                      \
	X(size_t, BIO_ctrl_pending, (handle))                                               \
	X(void, X509_free, (handle))                                                        \
	X(handle, X509_get_subject_name, (const void *))                                    \
	X(int, X509_NAME_print_ex, (handle, const void *, int, unsigned long))              \
	X(const void *, X509_get0_notAfter, (const void *))                                 \
	X(int, X509_check_issued, (handle, handle))                                         \
	X(handle, X509_get_ext_d2i, (const void *, int, int *, int *))                      \
	X(int, ASN1_TIME_to_tm, (const void *, struct tm *))                                \
	X(int, ASN1_STRING_length, (const void *))                                          \
	X(const unsigned char *, ASN1_STRING_get0_data, (const void *))                     \
	X(int, OPENSSL_sk_num, (const void *))                                              \
	X(handle, OPENSSL_sk_value, (const void *, int))                                    \
	X(handle, GENERAL_NAME_get0_value, (const void *, int *))                           \
	X(void, GENERAL_NAMES_free, (handle))                                               \
	X(unsigned long, ERR_get_error, (void))                                             \
	X(void, ERR_clear_error, (void))                                                    \
	X(const char *, ERR_reason_error_string, (unsigned long))

#define MEMBER(result, name, arguments) result(*name) arguments;
struct library {
	FUNCTIONS(MEMBER)
	handle (*get_certificate)(const void *); /* SSL_get1_peer_certificate, or its old name */
};
#undef MEMBER

struct tls {
	handle context, session;
	handle in, out; /* memory, owned by the session */
	char pending[16384]; /* records that are to be sent */
	size_t pending_start, pending_length;
	bool done; /* the handshake */
	void *loaded; /* the library's handle */
	struct library ssl;
};

static bool find(void *library, const char *name, void *place)
{
	void *symbol = dlsym(library, name);

	/* POSIX: a symbol's address converts to a function's. */
	memcpy(place, &symbol, sizeof(symbol));
	return symbol != NULL;
}

/* Each session opens the library; all but the first only count. It stays loaded: its own clean-up
 * at the end of the process belongs to it. */
static bool load_library(struct tls *tls)
{
	int flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
	void *library = dlopen("libssl.so.3", flags);
	bool complete;

	if (library == NULL)
		library = dlopen("libssl.so.1.1", flags);
	if (library == NULL)
		return false;
	tls->loaded = library;
	complete = find(library, "SSL_get1_peer_certificate", &tls->ssl.get_certificate) ||
	           find(library, "SSL_get_peer_certificate", &tls->ssl.get_certificate);
#define FIND(result, name, arguments) complete = complete && find(library, #name, &tls->ssl.name);
	FUNCTIONS(FIND)
#undef FIND
	return complete;
}

static int fail_tls(const struct ph_stream *stream, int code, const char *why,
                    struct ph_error *error)
{
	char text[PH_HOST_TEXT_BYTES];

	return ph_fail(error, code, "TLS with %s port %u: %s", ph_host_format(&stream->host, text),
	               stream->port, why);
}

/* "h2,http/1.1" -> protocols with a byte of length before each (RFC 7301). */
static bool set_alpn(const struct tls *tls, const char *alpn)
{
	unsigned char wire[256];
	size_t length = strlen(alpn), start = 0;

	if (length == 0 || length >= sizeof(wire))
		return false;
	for (size_t i = 0; i <= length; i++) {
		if (i < length && alpn[i] != ',') {
			wire[i + 1] = (unsigned char)alpn[i];
			continue;
		}
		if (i == start)
			return false;
		wire[start] = (unsigned char)(i - start);
		start = i + 1;
	}
	return tls->ssl.SSL_set_alpn_protos(tls->session, wire, (unsigned)length + 1) == 0;
}

static bool set_up(struct tls *tls, const char *name, const char *alpn)
{
	struct in6_addr address;

	tls->context = tls->ssl.SSL_CTX_new(tls->ssl.TLS_client_method());
	if (tls->context == NULL)
		return false;
	/* Also what is old and weak is to be seen. */
	tls->ssl.SSL_CTX_ctrl(tls->context, SET_MIN_VERSION, TLS_1_0, NULL);
	tls->ssl.SSL_CTX_set_cipher_list(tls->context, "DEFAULT:@SECLEVEL=0");
	tls->session = tls->ssl.SSL_new(tls->context);
	if (tls->session == NULL)
		return false;
	tls->in = tls->ssl.BIO_new(tls->ssl.BIO_s_mem());
	tls->out = tls->ssl.BIO_new(tls->ssl.BIO_s_mem());
	if (tls->in == NULL || tls->out == NULL)
		return false;
	tls->ssl.SSL_set_bio(tls->session, tls->in, tls->out);
	/* Server names are names: RFC 6066, 3, forbids addresses. */
	if (name != NULL && inet_pton(AF_INET, name, &address) != 1 &&
	    inet_pton(AF_INET6, name, &address) != 1) {
		char copy[256];

		snprintf(copy, sizeof(copy), "%s", name);
		tls->ssl.SSL_ctrl(tls->session, SET_HOST_NAME, 0, copy);
	}
	return alpn == NULL || set_alpn(tls, alpn);
}

static void free_tls(struct tls *tls)
{
	if (tls->session != NULL)
		tls->ssl.SSL_free(tls->session);
	if (tls->context != NULL)
		tls->ssl.SSL_CTX_free(tls->context);
	if (tls->loaded != NULL)
		dlclose(tls->loaded);
	free(tls);
}

int tls_open(struct ph_stream *stream, const char *name, const char *alpn, struct ph_error *error)
{
	struct tls *tls;

	/* What came in the clear must not be taken for what came inside (CVE-2011-0411). */
	if (stream->length > 0)
		return fail_tls(stream, -EPROTO, "there is data in the clear before the handshake",
		                error);
	tls = calloc(1, sizeof(*tls));
	if (tls == NULL)
		return fail_tls(stream, -ENOMEM, "out of memory", error);
	if (!load_library(tls)) {
		free_tls(tls);
		return fail_tls(stream, -ENOSYS, "this host has no OpenSSL (libssl.so.3)", error);
	}
	if (!set_up(tls, name, alpn)) {
		free_tls(tls);
		return fail_tls(stream, -EINVAL, "OpenSSL does not take these settings", error);
	}
	stream->tls = tls;
	return 0;
}

/* Sends the records that wait. 0, -EAGAIN or -errno. */
static int send_records(struct ph_stream *stream)
{
	struct tls *tls = stream->tls;

	for (;;) {
		ssize_t sent;

		if (tls->pending_length == 0) {
			int got = tls->ssl.BIO_read(tls->out, tls->pending, sizeof(tls->pending));

			if (got <= 0)
				return 0;
			tls->pending_start = 0;
			tls->pending_length = (size_t)got;
		}
		sent = stream_write(stream, tls->pending + tls->pending_start, tls->pending_length);
		if (sent < 0)
			return (int)sent;
		tls->pending_start += (size_t)sent;
		tls->pending_length -= (size_t)sent;
	}
}

/* Receives records. How many bytes; 0: the end; -EAGAIN or -errno. */
static ssize_t receive_records(struct ph_stream *stream)
{
	char bytes[16384];
	ssize_t got = stream_read(stream, bytes, sizeof(bytes));

	if (got > 0 && stream->tls->ssl.BIO_write(stream->tls->in, bytes, (int)got) != got)
		return -ENOMEM;
	return got;
}

/* What OpenSSL says that went wrong. */
static const char *last_reason(const struct tls *tls)
{
	const char *reason = tls->ssl.ERR_reason_error_string(tls->ssl.ERR_get_error());

	return reason != NULL ? reason : "not understood";
}

int tls_handshake(struct ph_stream *stream, struct ph_error *error)
{
	struct tls *tls = stream->tls;

	while (!tls->done) {
		int result, code, r;
		ssize_t got;

		tls->ssl.ERR_clear_error();
		result = tls->ssl.SSL_connect(tls->session);
		code = tls->ssl.SSL_get_error(tls->session, result);
		r = send_records(stream);
		if (r == -EAGAIN)
			return r;
		if (r < 0)
			return fail_tls(stream, r, strerror(-r), error);
		if (result == 1) {
			tls->done = true;
			break;
		}
		if (code != WANT_READ && code != WANT_WRITE)
			return fail_tls(stream, -EPROTO, last_reason(stream->tls), error);
		got = receive_records(stream);
		if (got == -EAGAIN)
			return -EAGAIN;
		if (got <= 0)
			return fail_tls(stream, got < 0 ? (int)got : -EPROTO,
			                got < 0 ? strerror((int)-got)
			                        : "closed during the handshake",
			                error);
	}
	return 0;
}

int tls_flush(struct ph_stream *stream, struct ph_error *error)
{
	int r = send_records(stream);

	if (r < 0 && r != -EAGAIN)
		return fail_tls(stream, r, strerror(-r), error);
	return r;
}

ssize_t tls_send(struct ph_stream *stream, const void *bytes, size_t length, struct ph_error *error)
{
	int r = tls_flush(stream, error), sent;

	if (r < 0)
		return r;
	stream->tls->ssl.ERR_clear_error();
	sent = stream->tls->ssl.SSL_write(stream->tls->session, bytes,
	                                  length > 16384 ? 16384 : (int)length);
	if (sent <= 0)
		return fail_tls(stream, -EPROTO, last_reason(stream->tls), error);
	r = tls_flush(stream, error);
	return r < 0 && r != -EAGAIN ? r : sent;
}

ssize_t tls_receive(struct ph_stream *stream, void *bytes, size_t size, struct ph_error *error)
{
	for (;;) {
		int result, code;
		ssize_t got;

		stream->tls->ssl.ERR_clear_error();
		result = stream->tls->ssl.SSL_read(stream->tls->session, bytes, (int)size);
		if (result > 0)
			return result;
		code = stream->tls->ssl.SSL_get_error(stream->tls->session, result);
		if (code == ZERO_RETURN)
			return 0;
		if (code != WANT_READ && code != WANT_WRITE)
			return fail_tls(stream, -EPROTO, last_reason(stream->tls), error);
		got = send_records(stream);
		if (got == 0)
			got = receive_records(stream);
		/* Many servers just hang up, without a close notify. */
		if (got == 0 || got == -EAGAIN)
			return got;
		if (got < 0)
			return fail_tls(stream, (int)got, strerror((int)-got), error);
	}
}

/* The subject as text. 0 or -ENOMEM. */
static int copy_subject(const struct tls *tls, handle certificate, struct ph_tls_info *info)
{
	handle memory = tls->ssl.BIO_new(tls->ssl.BIO_s_mem());
	size_t length;
	int r = -ENOMEM;

	if (memory == NULL)
		return r;
	tls->ssl.X509_NAME_print_ex(memory, tls->ssl.X509_get_subject_name(certificate), 0,
	                            NAME_RFC2253);
	length = tls->ssl.BIO_ctrl_pending(memory);
	if (length > 4096)
		length = 4096;
	info->subject = calloc(1, length + 1);
	if (info->subject != NULL) {
		tls->ssl.BIO_read(memory, info->subject, (int)length);
		r = 0;
	}
	tls->ssl.BIO_free(memory);
	return r;
}

/* One name that the certificate is for; NULL: of another kind, or out of memory. */
static char *copy_name(const struct tls *tls, handle general)
{
	int type, length;
	handle value = tls->ssl.GENERAL_NAME_get0_value(general, &type);
	const unsigned char *bytes;
	char text[INET6_ADDRSTRLEN];

	if (value == NULL || (type != NAME_DNS && type != NAME_ADDRESS))
		return NULL;
	bytes = tls->ssl.ASN1_STRING_get0_data(value);
	length = tls->ssl.ASN1_STRING_length(value);
	if (type == NAME_DNS)
		return length > 0 && length <= 1024 ? strndup((const char *)bytes, (size_t)length)
		                                    : NULL;
	if (length != 4 && length != 16)
		return NULL;
	inet_ntop(length == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text));
	return strdup(text);
}

static int copy_names(const struct tls *tls, handle certificate, struct ph_tls_info *info)
{
	handle names = tls->ssl.X509_get_ext_d2i(certificate, NID_ALT_NAME, NULL, NULL);
	int count;

	if (names == NULL)
		return 0;
	count = tls->ssl.OPENSSL_sk_num(names);
	if (count > NAMES_MAX)
		count = NAMES_MAX;
	info->names = calloc((size_t)count + 1, sizeof(*info->names));
	for (int i = 0; info->names != NULL && i < count; i++) {
		char *name = copy_name(tls, tls->ssl.OPENSSL_sk_value(names, i));

		if (name != NULL)
			info->names[info->name_count++] = name;
	}
	tls->ssl.GENERAL_NAMES_free(names);
	return info->names != NULL ? 0 : -ENOMEM;
}

int tls_info(const struct ph_stream *stream, struct ph_tls_info *info, struct ph_error *error)
{
	const unsigned char *alpn = NULL;
	struct tm expiry = { 0 };
	unsigned length = 0;
	handle certificate;
	int r;

	snprintf(info->version, sizeof(info->version), "%s",
	         stream->tls->ssl.SSL_get_version(stream->tls->session));
	stream->tls->ssl.SSL_get0_alpn_selected(stream->tls->session, &alpn, &length);
	if (length > 0 && length < sizeof(info->alpn))
		memcpy(info->alpn, alpn, length);
	certificate = stream->tls->ssl.get_certificate(stream->tls->session);
	if (certificate == NULL)
		return 0;
	if (stream->tls->ssl.ASN1_TIME_to_tm(stream->tls->ssl.X509_get0_notAfter(certificate),
	                                     &expiry) == 1)
		info->not_after = timegm(&expiry);
	info->self_signed = stream->tls->ssl.X509_check_issued(certificate, certificate) == 0;
	r = copy_subject(stream->tls, certificate, info);
	if (r == 0)
		r = copy_names(stream->tls, certificate, info);
	stream->tls->ssl.X509_free(certificate);
	return r < 0 ? ph_fail(error, r, "TLS: out of memory") : 0;
}

void tls_close(struct ph_stream *stream)
{
	if (stream->tls->done) {
		stream->tls->ssl.ERR_clear_error();
		stream->tls->ssl.SSL_shutdown(stream->tls->session);
		(void)send_records(stream);
	}
	free_tls(stream->tls);
	stream->tls = NULL;
}
