// SPDX-License-Identifier: Apache-2.0
#include "http/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <memory>

#include "net/address.h"

namespace flannel {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* cert) const { X509_free(cert); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> reader(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Refuses to ask for a pass phrase; the default of OpenSSL asks at the terminal.
int no_pass_phrase(char*, int, int, void*) {
  return -1;
}

bool is_address(const std::string& host) {
  return IpAddress::parse(host).has_value();
}

bool use_certificate(SSL_CTX* context, const std::string& pem) {
  const Owned<BIO> bio = reader(pem);
  const Owned<X509> own(PEM_read_bio_X509(bio.get(), nullptr, no_pass_phrase, nullptr));
  if (!own || SSL_CTX_use_certificate(context, own.get()) != 1) return false;
  // The context owns the added certificates.
  while (X509* more = PEM_read_bio_X509(bio.get(), nullptr, no_pass_phrase, nullptr)) {
    if (SSL_CTX_add_extra_chain_cert(context, more) != 1) X509_free(more);
  }
  ERR_clear_error();  // reaching the end of the text is an error, too
  return true;
}

bool use_key(SSL_CTX* context, const std::string& pem) {
  const Owned<BIO> bio = reader(pem);
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr));
  return key && SSL_CTX_use_PrivateKey(context, key.get()) == 1;
}

bool trust(SSL_CTX* context, const std::string& pem) {
  if (pem.empty()) return SSL_CTX_set_default_verify_paths(context) == 1;
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  const Owned<BIO> bio = reader(pem);
  bool any = false;
  while (Owned<X509> one{PEM_read_bio_X509(bio.get(), nullptr, no_pass_phrase, nullptr)}) {
    any = X509_STORE_add_cert(store, one.get()) == 1 || any;
  }
  ERR_clear_error();
  return any;
}

// "etcd1, 192.0.2.1"
std::string names_of(X509* cert) {
  const Owned<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr)));
  std::string text;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    std::string one;
    if (name->type == GEN_DNS) {
      one.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                 static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    } else if (name->type == GEN_IPADD && ASN1_STRING_length(name->d.iPAddress) == 4) {
      const unsigned char* octets = ASN1_STRING_get0_data(name->d.iPAddress);
      for (int octet = 0; octet < 4; ++octet)
        one += (octet > 0 ? "." : "") + std::to_string(octets[octet]);
    } else {
      continue;
    }
    text += (text.empty() ? "" : ", ") + one;
  }
  return text;
}

int verify(X509_STORE_CTX* chain, void* into) {
  auto& report = *static_cast<TlsReport*>(into);
  const int good = X509_verify_cert(chain);
  report.verdict = X509_STORE_CTX_get_error(chain);
  if (X509* cert = X509_STORE_CTX_get0_cert(chain)) report.names = names_of(cert);
  return good;
}

TlsReport& report_of(const SSL* ssl) {
  return *static_cast<TlsReport*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
}

// Records the reason of a failure while it is in the error queue of OpenSSL, which httplib clears.
void note(const SSL* ssl, int where, int value) {
  TlsReport& report = report_of(ssl);
  const int alert = value & 0xff;
  if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && alert != SSL_AD_CLOSE_NOTIFY) {
    report.alert = alert;
  }
  if (where != SSL_CB_CONNECT_EXIT || value > 0) return;
  // A server that closes the connection with bytes of ours unread resets it, and the reset may
  // arrive before its answer is read. OpenSSL then has no error of its own.
  const bool was_reset = errno == ECONNRESET && ERR_peek_last_error() == 0;
  const int reason = ERR_GET_REASON(ERR_peek_last_error());
  report.not_tls = report.not_tls || was_reset || reason == SSL_R_WRONG_VERSION_NUMBER ||
                   reason == SSL_R_HTTP_REQUEST || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING;
}

int note_wish(SSL* ssl, void*) {
  report_of(ssl).wanted_cert = true;
  return 1;  // continue with the certificate of the context, if there is one
}

std::string alert_text(int alert) {
  return SSL_alert_desc_string_long(alert);
}

bool is_about_our_certificate(int alert) {
  return alert == SSL_AD_CERTIFICATE_UNKNOWN || alert == SSL_AD_BAD_CERTIFICATE ||
         alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_UNKNOWN_CA ||
         alert == SSL_AD_CERTIFICATE_EXPIRED || alert == SSL_AD_UNSUPPORTED_CERTIFICATE ||
         alert == SSL_AD_CERTIFICATE_REQUIRED || alert == SSL_AD_ACCESS_DENIED;
}

}  // namespace

Result<void> set_up_tls(SSL_CTX* context, const TlsMaterial& material, const std::string& host,
                        TlsReport& report) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_app_data(context, &report);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context, verify, &report);
  SSL_CTX_set_info_callback(context, note);
  SSL_CTX_set_cert_cb(context, note_wish, nullptr);
  X509_VERIFY_PARAM* wanted = SSL_CTX_get0_param(context);
  const int named = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str())
                                     : X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), 0);
  if (named != 1) return fail(ErrorKind::invalid, "no certificate can be for " + host);
  if (!trust(context, material.ca)) return fail(ErrorKind::invalid, "cannot use the CA file");
  if (material.cert.empty()) return {};
  if (!use_certificate(context, material.cert) || !use_key(context, material.key)) {
    return fail(ErrorKind::invalid, "cannot use the client certificate and its key");
  }
  return {};
}

std::string TlsReport::reason(const std::string& host, const TlsMaterial& material) const {
  if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    return "certificate verify failed: " + host + " is not among its names (" +
           (names.empty() ? "it has none" : names) + "); give an endpoint that is";
  }
  if (verdict != X509_V_OK) {
    return std::string("certificate verify failed: ") + X509_verify_cert_error_string(verdict) +
           "; is " + material.flags + "cafile the authority that signed it?";
  }
  // In TLS 1.3 the server checks our certificate after the handshake, and the end of the connection
  // may arrive before its alert.
  if (wanted_cert && (alert < 0 || is_about_our_certificate(alert))) {
    const std::string cert = material.flags + "certfile";
    return material.cert.empty() ? "the server wants a client certificate: give " + cert + " and " +
                                       material.flags + "keyfile"
                                 : "the server does not take the client certificate of " + cert;
  }
  if (alert >= 0) return "the TLS handshake failed: " + alert_text(alert);
  if (not_tls) return "the server does not speak TLS; does it want http://?";
  return {};
}

}  // namespace flannel
