// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <vector>

#include "http/client.h"
#include "registry/endpoint_rotation.h"
#include "registry/password.h"
#include "registry/tls_files.h"

namespace flannel {

struct EndpointAccess {
  std::vector<HttpAccess> endpoints;  // at least one; without TLS material and secret
  TlsSource tls;                      // read again for every new connection
  Password secret;                    // read again whenever the store refuses it
};

// What all calls to one store by HTTP share: which endpoint is current, and the credentials as they
// were read last. Loop thread only.
struct EndpointSession {
  explicit EndpointSession(EndpointAccess to)
      : access(std::move(to)), rotation(access.endpoints.size()) {}

  EndpointAccess access;
  EndpointRotation rotation;
};

}  // namespace flannel
