// SPDX-License-Identifier: Apache-2.0
// TLS of a client, as OpenSSL is to do it, and why a handshake failed in words.
#pragma once

#include <string>

#include "base/result.h"

using SSL_CTX = struct ssl_ctx_st;

namespace flannel {

// PEM texts; empty where none was given. No CA: those of the system.
struct TlsMaterial {
  std::string key, cert, ca;
};

// What happened on the connections of one context.
struct TlsReport {
  long verdict = 0;          // X509_V_..., of the server's certificate
  std::string names;         // that the server's certificate is for, if it is not for ours
  int alert = -1;            // that the server sent, as TLS numbers them; -1: none
  bool not_tls = false;      // what came was no TLS
  bool wanted_cert = false;  // the server asked for a client certificate

  // Of a connection without an answer. Nothing: there is no reason that is known.
  std::string reason(const std::string& host, bool have_cert) const;
};

// The server has to show a certificate of the CA that names `host` among its alternative names, an
// address as an address: its common name is not looked at for an address. TLS 1.2 or later.
// `report` outlives the context.
Result<void> set_up_tls(SSL_CTX* context, const TlsMaterial& material, const std::string& host,
                        TlsReport& report);

}  // namespace flannel
