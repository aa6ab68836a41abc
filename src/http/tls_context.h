// SPDX-License-Identifier: Apache-2.0
// Sets up OpenSSL for a TLS client, and explains failed handshakes.
#pragma once

#include <string>

#include "base/result.h"

using SSL_CTX = struct ssl_ctx_st;

namespace flannel {

// PEM texts, each empty if not given. Without a CA those of the system are used.
struct TlsMaterial {
  std::string key, cert, ca;
  std::string flags = "--etcd-";  // what the flags that named the files begin with, for messages
};

// What happened during the handshakes of one context.
struct TlsReport {
  long verdict = 0;          // X509_V_..., of the server's certificate
  std::string names;         // of the server's certificate, if ours is not among them
  int alert = -1;            // that the server sent, as TLS numbers them; -1: none
  bool not_tls = false;      // the server does not speak TLS
  bool wanted_cert = false;  // the server asked for a client certificate

  // Returns why a connection with `material` got no answer; empty if the reason is not known.
  std::string reason(const std::string& host, const TlsMaterial& material) const;
};

// Configures `context` for TLS 1.2 or later. The certificate of the server must be signed by the CA
// and have `host` among its alternative names; for an address the common name is ignored. `report`
// must outlive the context.
Result<void> set_up_tls(SSL_CTX* context, const TlsMaterial& material, const std::string& host,
                        TlsReport& report);

}  // namespace flannel
